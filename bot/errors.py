"""What keeps the bot from its work and can be mended by whoever started it."""


class UserError(Exception):
    """Something to mend, told in a sentence: what, where, what to do; or several of them, a line each."""

    def __init__(self, sentence: str, problems: int = 1) -> None:
        super().__init__(sentence)
        self.problems = problems

"""What keeps the bot from its work."""


class UserError(Exception):
    """Something to mend, told in a sentence: what, where, what to do; or several of them, a line each."""

    def __init__(self, sentence: str, problems: int = 1) -> None:
        super().__init__(sentence)
        self.problems = problems


class OutOfReachError(Exception):
    """The database does not answer now; later it may."""

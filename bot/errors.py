"""What keeps the bot from its work and can be mended by whoever started it."""


class UserError(Exception):
    """Something to mend, told in a sentence: what, where, what to do."""

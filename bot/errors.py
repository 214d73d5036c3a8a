"""What keeps the bot from its work."""


class UserError(Exception):
    """Something to mend, told in a sentence: what, where, what to do."""


class OutOfReachError(Exception):
    """The database does not answer now; later it may."""

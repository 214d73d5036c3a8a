"""Campaigns: the names that links carry, so that their visits can be counted."""

import re

# Whoever finds a link can make up others: so many are counted by name, and the rest together.
MOST = 100
NONE, OTHER = "", "(other)"
# A patient can type such a name too, so no sentence and no telephone number fits.
_NAME = re.compile(r"(?!.*\d{5})[A-Za-z0-9]+([_-][A-Za-z0-9]+)*")
_LONGEST = 40


def campaign(written: str) -> str:
    """Return what was written if it may be the name of a campaign, else the name of none."""
    return written if len(written) <= _LONGEST and _NAME.fullmatch(written) else NONE

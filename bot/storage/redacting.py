"""Taking out of an utterance what would tell who wrote it: numbers, addresses, links and user names."""

import re
import unicodedata

# Longer than any question, shorter than a life's story.
_LONGEST = 1000

# "555-123 4567", "(12) 05 / 1980", "1 2 3 4 5": so many digits, with little between them, are no number of needles.
_NUMBER = re.compile(r"\+?\d(?:[\W_]{0,3}\d){4,}")
# A run of anything around an @, also written "name (at) host" or "name at host dot com". Each begins at the start of a
# word, so that looking takes time in proportion to the text.
_MAIL = re.compile(
    r"(?<![^\s@])[^\s@]++(?:@\s?|\s@\s)\S+"
    r"|(?<![^\s@])[^\s@]++\s@[\w-]+\.\S+"
    r"|(?<!\S)[\w.+-]++\s?[(\[{]\s?at\s?[)\]}]\s?\S+"
    r"|(?<!\S)[\w.+-]++ at [\w-]+ dot \w+",
    re.IGNORECASE,
)
_NAME = re.compile(r"@\S+")
# Endings of host names that are not just as likely the first word of a sentence after a forgotten space.
_ENDINGS = "com|org|net|edu|gov|info|biz|io|me|co|us|uk|ca|au|de|fr|es|eu|app|dev|health|clinic"
_LINK = re.compile(rf"(?<!\S)\S*?(?:://|\bwww\.|[\w-]\.(?:{_ENDINGS})(?![\w-]))\S*", re.IGNORECASE)

_INSTEAD = ((_MAIL, "[mail]"), (_LINK, "[link]"), (_NAME, "[name]"), (_NUMBER, "[number]"))


def redact(utterance: str) -> str:
    """Return the utterance without telephone and other long numbers, mail addresses, links and user names."""
    text = unicodedata.normalize("NFKC", utterance)  # an address in wide letters is an address
    for pattern, instead in _INSTEAD:
        text = pattern.sub(instead, text)
    return text[:_LONGEST]

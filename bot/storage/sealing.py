"""The storage keys: what seals a patient's words, and what stands for the chat they came from."""

import hmac
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from sqlalchemy import URL

from bot.errors import UserError

MAKE_ONE = 'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
_NO_KEY = f"STORAGE_KEY is not set, and with PostgreSQL it must be: the same for every process. Make one: {MAKE_ONE}"
PUT_IT_BACK = "Put the old key back into STORAGE_KEY or the key file, behind the present one; if it is lost, just wait."
_KEY_LENGTH = 44  # 32 bytes in base64


class Keys:
    """Seals with the first key, and reads what any of them sealed, so that a new key can be put before the old ones."""

    def __init__(self, keys: Iterable[str]) -> None:
        """Raise ValueError if one of them is no key of Fernet's."""
        encoded = [key.encode() for key in keys]
        if not all(len(key) == _KEY_LENGTH for key in encoded):  # base64 itself overlooks what follows the padding
            raise ValueError
        self._fernet = MultiFernet([Fernet(key) for key in encoded])
        # Fernet's own halves sign and encrypt; authors get a key of their own, made from the whole.
        self._authors = [hmac.digest(key, b"author", "sha256") for key in encoded]

    def seal(self, text: str) -> str:
        """Return the text so that only a holder of the key can read it."""
        # Fernet writes the time beside what it seals, in the clear: when somebody asked is nobody's business.
        return self._fernet.encrypt_at_time(text.encode("utf-8", "replace"), 0).decode()

    def unseal(self, sealed: str) -> str | None:
        """Return the text that was sealed, or None if that was done with a key that is gone."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None

    def authors(self, chat_id: int) -> list[str]:
        """Return what stands for a chat under each key, the first one's first; it tells nobody which chat that is."""
        return [hmac.digest(key, str(chat_id).encode(), "sha256").hex() for key in self._authors]


def told_of_lost_key(sealed: Iterable[str], keys: Keys | None, days: int) -> str:
    """Return how many of these texts no key opens, and what becomes of them; nothing if there are none."""
    lost = sum(keys is None or keys.unseal(text) is None for text in sealed)
    told = f"kept questions whose storage key is gone: {lost}; they can't be read or found by /forget, and are deleted"
    return f"{told} after {days} days" if lost else ""


def find_keys(setting: SecretStr | None, database: URL) -> Keys | None:
    """Return the keys that the setting holds, else those in the file beside a SQLite database, if it is there.

    Raise UserError if they can't be used, or if there is no place for them but the setting.
    """
    if setting:
        return _read(setting.get_secret_value(), "STORAGE_KEY")
    if database.drivername != "sqlite":
        raise UserError(_NO_KEY)
    path = _key_file(database)
    return _read(path.read_text(encoding="ascii", errors="replace"), str(path)) if path.exists() else None


def make_keys(database: URL) -> Keys:
    """Return the keys in a new file beside a SQLite database, readable by its owner only; raise UserError without one.

    It is there as a whole or not at all; the first of several processes decides what stands in it.
    """
    path = _key_file(database)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(Fernet.generate_key() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    except OSError as error:
        remedy = "Let the bot's user write its folder and make room there, or set STORAGE_KEY."
        raise UserError(f"The key file {path} can't be made: {error.strerror}. {remedy}") from None
    finally:
        draft.unlink(missing_ok=True)
    return _read(path.read_text(encoding="ascii"), str(path))


def _key_file(database: URL) -> Path:
    return Path(database.database or "").with_suffix(".key")


def _read(written: str, name: str) -> Keys:
    """Return the keys that are written one after another, with commas or line breaks between."""
    try:
        return Keys(filter(None, re.split(r"[,\s]+", written)))
    except ValueError:
        sentence = f"{name} holds no key that I can use: each is 44 characters, separated by commas. Make one: "
        raise UserError(sentence + MAKE_ONE) from None

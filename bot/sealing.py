"""The storage keys: what seals a patient's words, and what stands for the chat they came from."""

import hmac
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bot.errors import UserError

_MAKE_ONE = 'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
NO_KEY = f"STORAGE_KEY is not set, and with PostgreSQL it must be: the same for every process. Make one: {_MAKE_ONE}"


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


def read_keys(written: str, name: str) -> Keys:
    """Return the keys that are written one after another, with commas or line breaks between; raise UserError."""
    try:
        return Keys(filter(None, re.split(r"[,\s]+", written)))
    except ValueError:
        sentence = f"{name} holds no key that I can use: each is 44 characters, separated by commas. Make one: "
        raise UserError(sentence + _MAKE_ONE) from None


def key_file(database: Path) -> Path:
    """Return where the keys for a SQLite file lie when the settings name none."""
    return database.with_suffix(".key")


def keys_beside(database: Path) -> Keys:
    """Return the keys in the file beside a database, which is made if there is none, readable by its owner only."""
    path = key_file(database)
    if not path.exists():
        _make(path)
    return read_keys(path.read_text(encoding="ascii", errors="replace"), str(path))


def _make(path: Path) -> None:
    """Make a key file, whole or not at all; the first of several processes decides."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()

"""The slate: which updates were answered last, in a file that stays as it is when the process is killed."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from struct import Struct

log = logging.getLogger(__name__)

# The database knows an answer milliseconds later, and after minutes when it was busy; these are minutes of answers.
_SLOTS = 4096
_SLOT = Struct(">q")


class Slate:
    """Notes each update in a slot of its own, in one call of the system that takes microseconds; no `fsync`.

    A crash of the machine may take the notes along, a killed process can't: what was written belongs to the system.
    Where the file can't be opened nothing is noted, and a kill repeats a few answers more.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: int | None = None
        if path:
            try:
                self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                log.warning("%s can't be written (%s): a kill may repeat a few answers", path, error.strerror)

    def note(self, update_id: int) -> None:
        """Note that an update was answered, in place of one that was so long before."""
        if self._file is not None:
            with suppress(OSError):  # a full disk
                os.pwrite(self._file, _SLOT.pack(update_id), update_id % _SLOTS * _SLOT.size)

    def read(self) -> list[int]:
        """Return the updates that are noted; what is no note is passed over."""
        if self._file is None:
            return []
        content = os.pread(self._file, _SLOTS * _SLOT.size, 0)
        whole = content[: len(content) // _SLOT.size * _SLOT.size]
        noted = enumerate(update_id for (update_id,) in _SLOT.iter_unpack(whole))
        return [update_id for slot, update_id in noted if update_id and update_id % _SLOTS == slot]

    def wipe(self) -> None:
        """Forget all, as the database knows it by now."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Let go of the file."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

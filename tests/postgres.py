"""A real PostgreSQL for the tests: one server for all of them, a fresh database for each."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

# Debian keeps the server's programs out of the way; the newest version comes first.
_PLACES = [*sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True), *os.environ["PATH"].split(":")]
# A database that is thrown away need not survive a power failure.
_SETTINGS = "fsync = off\nfull_page_writes = off\nunix_socket_directories = ''\nmax_connections = 50\n"

_numbers = count(1)


def programs() -> Path | None:
    """Return the folder with PostgreSQL's own programs, if they are installed."""
    found = shutil.which("initdb", path=":".join(_PLACES))
    return Path(found).resolve().parent if found else None


class Postgres:
    """A server on loopback that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        bin_folder = programs()
        assert bin_folder
        self._bin, self._data = bin_folder, folder / "data"
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "--auth=trust", "--username=clinic", "--encoding=UTF8", "--locale=C", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._url = f"postgresql://clinic:secret@127.0.0.1:{port}/postgres"
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(f"{_SETTINGS}listen_addresses = '127.0.0.1'\nport = {port}\n")

    def start(self) -> None:
        """Serve, on the same port as before."""
        self._run("pg_ctl", "start", "--wait", "--silent", f"--log={self._data / 'log'}")

    def stop(self) -> None:
        """Be gone: break every connection and refuse new ones."""
        self._run("pg_ctl", "stop", "--mode=fast", "--silent")

    def fresh_database(self) -> str:
        """Return the URL of a database in which nothing is yet: a schema of its own, which is made sooner."""
        name = f"clinic{next(_numbers)}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return f"{self._url}?options=-csearch_path%3D{name}"

    def files(self) -> Iterator[Path]:
        """Return the files that hold what was written, the journal among them."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        return (path for path in self._data.rglob("*") if path.is_file())

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), "-D", str(self._data), *arguments]
        subprocess.run(command, check=True, user=self._user, cwd="/", stdout=subprocess.DEVNULL)  # noqa: S603


@contextmanager
def running() -> Iterator[Postgres]:
    """Run a server until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="clinic-faq-postgres-") as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()

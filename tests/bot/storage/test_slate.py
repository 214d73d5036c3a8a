"""What a killed process had answered is found by the next one, whatever befell the file meanwhile."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.storage.slate import Slate

UPDATE_IDS = st.integers(1, 2**63 - 1)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("slate") / "answered"


def noted(path: Path) -> list[int]:
    """Return what the next process reads."""
    slate = Slate(path)
    try:
        return slate.read()
    finally:
        slate.close()


def note(path: Path, update_ids: list[int]) -> None:
    """Note updates on an empty slate, by a process that never wipes it."""
    path.unlink(missing_ok=True)
    slate = Slate(path)
    for update_id in update_ids:
        slate.note(update_id)
    slate.close()


@pytest.mark.parametrize("first", [1, 4096, 730_000_000, 2**62])
def test_the_next_process_finds_the_last_four_thousand_updates(path, first):
    updates = range(first, first + 10_000)
    note(path, [*updates])
    assert set(updates[-4000:]) <= set(noted(path)) <= set(updates)


@given(st.lists(UPDATE_IDS, max_size=50))
def test_of_updates_in_any_order_the_last_is_found_and_none_that_was_not_noted(path, update_ids):
    note(path, update_ids)
    assert set(update_ids[-1:]) <= set(noted(path)) <= set(update_ids)


@given(st.lists(UPDATE_IDS, max_size=50), st.integers(0, 4096 * 8))
def test_a_file_that_was_cut_off_anywhere_holds_no_update_that_was_not_noted(path, update_ids, size):
    note(path, update_ids)
    path.write_bytes(path.read_bytes()[:size])
    assert set(noted(path)) <= set(update_ids)


def test_what_another_program_wrote_is_no_note(path):
    path.write_text("no slate at all")
    assert noted(path) == []


def test_what_was_wiped_is_gone_and_the_slate_can_be_written_again(path):
    slate = Slate(path)
    slate.note(5)
    slate.wipe()
    slate.note(6)
    slate.close()
    assert noted(path) == [6]


def test_nobody_else_can_read_it(tmp_path):
    Slate(tmp_path / "answered").close()
    assert stat.S_IMODE((tmp_path / "answered").stat().st_mode) == 0o600


@pytest.mark.parametrize("place", [None, Path("/proc"), Path("/nowhere/answered"), Path("/dev/full")])
def test_where_nothing_can_be_written_nothing_is_noted_and_nothing_fails(place):
    slate = Slate(place)
    slate.note(5)
    assert slate.read() == []
    slate.wipe()
    slate.close()


def test_a_file_that_can_not_be_opened_is_told_once(caplog):
    slate = Slate(Path("/nowhere/answered"))
    slate.note(5)
    slate.note(6)
    assert caplog.messages == [
        "/nowhere/answered can't be written (No such file or directory): a kill may repeat a few answers"
    ]

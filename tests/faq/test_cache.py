"""What is kept from one start to the next may be lost or spoilt at any time."""

import hashlib
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.cache import Cache, write_whole

ARRAYS = {"vectors": np.arange(12, dtype=np.float32).reshape(3, 4), "keys": np.array(["a", "b", "ü"])}


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "not" / "there" / "yet")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with one file in it, and that file."""
    folder = tmp_path_factory.mktemp("kept")
    Cache(folder).save("vectors", "one", ARRAYS)
    return folder, folder / "vectors-one.npz"


def same(loaded) -> bool:
    return loaded.keys() == ARRAYS.keys() and all(np.array_equal(loaded[name], ARRAYS[name]) for name in ARRAYS)


def test_what_is_kept_comes_back_as_it_was(cache):
    cache.save("vectors", "one", ARRAYS)
    assert same(cache.load("vectors", "one"))


def test_what_was_never_kept_is_not_there(cache):
    cache.save("vectors", "one", ARRAYS)
    assert cache.load("vectors", "two") is None
    assert cache.load("learned", "one") is None


def test_the_last_one_kept_under_a_key_counts(cache):
    cache.save("vectors", "one", {"vectors": np.zeros(3)})
    cache.save("vectors", "one", ARRAYS)
    assert same(cache.load("vectors", "one"))


def test_of_each_kind_the_oldest_are_forgotten(tmp_path):
    cache = Cache(tmp_path)
    cache.save("vectors", "only", ARRAYS)
    for number in range(20):
        cache.save("learned", str(number), ARRAYS)
        os.utime(tmp_path / f"learned-{number}.npz", (number, number))
    assert [cache.load("learned", str(number)) is not None for number in range(20)] == [False] * 12 + [True] * 8
    assert cache.load("vectors", "only") is not None


@given(st.data())
def test_a_file_with_a_spoilt_byte_is_as_good_as_none(kept, data):
    folder, file = kept
    whole = file.read_bytes()
    place, byte = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    try:
        file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
        loaded = Cache(folder).load("vectors", "one")
    finally:
        file.write_bytes(whole)
    assert loaded is None or same(loaded)  # a byte may be changed where nothing reads it, or to itself


@pytest.mark.parametrize("kept_bytes", [0, 1, 100, -1])
def test_a_file_that_breaks_off_is_as_good_as_none(kept, kept_bytes, tmp_path):
    (tmp_path / "vectors-one.npz").write_bytes(kept[1].read_bytes()[:kept_bytes])
    assert Cache(tmp_path).load("vectors", "one") is None


def test_neither_a_single_array_nor_a_folder_is_taken_for_kept_arrays(tmp_path):
    cache = Cache(tmp_path)
    (tmp_path / "vectors-folder.npz").mkdir()
    np.save(tmp_path / "single.npy", np.zeros(3))
    (tmp_path / "single.npy").rename(tmp_path / "vectors-single.npz")
    assert [cache.load("vectors", key) for key in ("folder", "single")] == [None, None]


class Trap:
    """Makes a file where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._file,)


def test_a_pickle_is_refused_even_behind_the_digest_that_fits(tmp_path):
    sprung, forged = tmp_path / "sprung", BytesIO()
    np.savez(forged, keys=np.array([Trap(sprung)], dtype=object))
    digest = hashlib.blake2b(forged.getvalue(), digest_size=16).digest()
    (tmp_path / "vectors-forged.npz").write_bytes(digest + forged.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Cache(tmp_path).load("vectors", "forged")
    assert not sprung.exists()


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path):
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "folder")
    cache.save("vectors", "one", ARRAYS)
    assert cache.load("vectors", "one") is None


def test_a_file_that_could_not_be_written_whole_leaves_the_old_one_and_no_rubbish(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")

    def fail(fresh):
        fresh.write_text("half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_whole(target, fail)
    assert [file.name for file in tmp_path.iterdir()] == ["target"]
    assert target.read_text() == "old"

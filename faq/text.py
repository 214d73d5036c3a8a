"""Normalizing what people type: characters, words, spelling, synonyms, stems."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from itertools import chain

import numpy as np
import Stemmer
from rapidfuzz import process
from rapidfuzz.distance import OSA

from faq.cache import Cache
from faq.model import Lexicon

Hashes = np.ndarray[tuple[int], np.dtype[np.int64]]
Words = tuple[str, ...]
Corrections = tuple[tuple[str, str], ...]  # what was typed, and what was meant

# Signs that stand with a letter, such as the vowels of Devanagari, belong to its word.
_MARKS = "".join(sign for sign in map(chr, range(0x300, 0x3100)) if unicodedata.category(sign).startswith("M"))
_WORD = re.compile(rf"[^\W_](?:'?[^\W_]|[{_MARKS}])*")
_ACCENTED = re.compile(r"([a-z])[\u0300-\u036f]+")
_STRETCHED = re.compile(r"(.)\1{2,}")
# Shorter words have too many neighbours to be mended; from the second length on, two mistakes are believable.
_ONE_MISTAKE, _TWO_MISTAKES = 4, 8
# Nobody's word is longer; a longer run of letters is not looked up letter by letter.
_LONGEST_WORD = 40
_SHORTEST_PART = 3
_REMEMBERED_WORDS = 20_000

# The word lists of pyspellchecker, by the stemmer's name for the language.
_WORD_LISTS = {
    "arabic": "ar", "basque": "eu", "dutch": "nl", "english": "en", "french": "fr", "german": "de",
    "italian": "it", "latvian": "lv", "persian": "fa", "portuguese": "pt", "russian": "ru", "spanish": "es",
}  # fmt: skip


# Telegram's longest message; a few characters unfold into many (U+FDFA into 18), and nobody means those.
_LONGEST = 4096


def normalize(utterance: str) -> str:
    """Return the utterance in one form: Unicode's NFKC, lower case, nothing invisible, single spaces."""
    text = unicodedata.normalize("NFKC", utterance)[:_LONGEST].replace("\u2019", "'").casefold()
    return " ".join(text.translate(_INVISIBLE).split())


class _Invisible(dict[int, str]):
    """A translation table, filled as characters turn up: format characters vanish, control characters part words."""

    def __missing__(self, code: int) -> str:
        category = unicodedata.category(chr(code))
        self[code] = "" if category == "Cf" else " " if category == "Cc" else chr(code)
        return self[code]


_INVISIBLE = _Invisible()


def split_words(normalized: str) -> list[str]:
    """Return the words of a normalized text, punctuation and symbols left out."""
    return _WORD.findall(normalized)


@dataclass(frozen=True)
class Analysis:
    """An utterance as the matcher sees it: words after abbreviations and spelling, and their terms (synonym, stem)."""

    utterance: str
    normalized: str
    words: Words
    terms: Words
    corrections: Corrections


class WordList:
    """The common words of a language, kept as sorted hashes: 160,000 English words in 1.3 MB."""

    def __init__(self, language: str, cache: Cache | None = None) -> None:
        self._code = _WORD_LISTS.get(language)
        self._cache = cache

    def __contains__(self, word: str) -> bool:
        hashed = _hash(word)
        position = int(np.searchsorted(self._hashes, hashed))
        return position < len(self._hashes) and bool(self._hashes[position] == hashed)

    @cached_property
    def _hashes(self) -> Hashes:
        if self._code is None:
            return np.empty(0, np.int64)
        key = f"{self._code}-bare-{version('pyspellchecker')}"
        if self._cache and (kept := self._cache.load("words", key)) is not None:
            return kept["hashes"]
        hashes = _listed(self._code)
        if self._cache:
            self._cache.save("words", key, {"hashes": hashes})
        return hashes


@lru_cache
def _listed(code: str) -> Hashes:
    from spellchecker import SpellChecker  # takes 0.15 s and 30 MB; later starts find the hashes in the cache

    words = set(map(_bare, SpellChecker(language=code).word_frequency.dictionary))
    return np.sort(np.fromiter(map(_hash, words), np.int64, len(words)))


def _hash(word: str) -> int:
    """Return a hash that is the same at every start, as Python's own is not."""
    digest = hashlib.blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


class Speller:
    """Mends a word that neither the FAQ nor the language knows, towards the FAQ's own vocabulary."""

    def __init__(self, vocabulary: Counter[str], known: Iterable[str], listed: WordList) -> None:
        self._vocabulary = vocabulary
        self._choices = sorted(vocabulary, key=lambda word: (-vocabulary[word], word))
        self._known = frozenset(known)
        self._listed = listed
        self.correct = lru_cache(_REMEMBERED_WORDS)(self._correct)

    def knows(self, word: str) -> bool:
        """Tell whether the word is right as it stands."""
        return word in self._vocabulary or word in self._known or word.isdecimal() or word in self._listed

    def _correct(self, word: str) -> str:
        """Return the word as probably meant: itself, a neighbour in the vocabulary, or two words run together."""
        if len(word) > _LONGEST_WORD or self.knows(word):
            return word
        for stretch in (r"\1", r"\1\1"):
            if (shorter := _STRETCHED.sub(stretch, word)) != word and self.knows(shorter):
                return shorter
        return self._parted(word) or self._nearest(word) or word

    def _parted(self, word: str) -> str | None:
        for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
            if word[:cut] in self._vocabulary and word[cut:] in self._vocabulary:
                return f"{word[:cut]} {word[cut:]}"
        return None

    def _nearest(self, word: str) -> str | None:
        """Return the most frequent of the nearest words; the first letter is seldom wrong, so it counts twice."""
        mistakes = (len(word) >= _ONE_MISTAKE) + (len(word) >= _TWO_MISTAKES)
        near = process.extract(word, self._choices, scorer=OSA.distance, score_cutoff=mistakes, limit=None)
        ranked = sorted((distance + (choice[0] != word[0]), index) for choice, distance, index in near)
        if not ranked or ranked[0][0] > mistakes:
            return None
        return self._choices[ranked[0][1]]


class Analyzer:
    """Turns utterances and phrasings alike into terms, with one lexicon and the vocabulary of one FAQ."""

    def __init__(self, lexicon: Lexicon, texts: Iterable[str], cache: Cache | None = None) -> None:
        self._abbreviations = {
            normalize(short): split_words(normalize(full)) for short, full in lexicon.abbreviations.items()
        }
        self._stem = _stemmer(lexicon.language)
        groups = [[normalize(word) for word in group] for group in lexicon.synonyms]
        self._heads = {self._stem(word): self._stem(group[0]) for group in groups for word in group}
        # Nothing stops these words: they are only right as they stand, whether or not the FAQ uses them.
        common = map(normalize, lexicon.stopwords)
        self.negations = frozenset(map(normalize, lexicon.negations))
        self.conjunctions = lexicon.conjunctions
        vocabulary = Counter(word for text in texts for word in self.spelled_out(text))
        known = [*groups, common, self.negations, *self._abbreviations.values()]
        self.speller = Speller(vocabulary, chain.from_iterable(known), WordList(lexicon.language, cache))
        self.term = lru_cache(_REMEMBERED_WORDS)(self._term)
        # What tells this analyzer from one that reads some text otherwise.
        self.fingerprint = repr((lexicon, sorted(vocabulary.items()), Stemmer.version(), version("pyspellchecker")))

    def analyze(self, utterance: str) -> Analysis:
        """Return the utterance's words as they were meant, and their terms."""
        typed = self.spelled_out(utterance)
        corrected = [self.speller.correct(word) for word in typed]
        meant = tuple(part for word in corrected for part in word.split())
        corrections = tuple((old, new) for old, new in zip(typed, corrected, strict=True) if old != new)
        return Analysis(utterance, normalize(utterance), meant, tuple(map(self.term, meant)), corrections)

    def spelled_out(self, utterance: str) -> list[str]:
        """Return the words as typed, abbreviations written out."""
        typed = normalize(utterance).split()
        return [full for token in typed for full in self._abbreviations.get(token) or self._words_of(token)]

    def _words_of(self, token: str) -> list[str]:
        return [full for word in split_words(token) for full in self._abbreviations.get(word) or [_bare(word)]]

    def _term(self, word: str) -> str:
        stem = self._stem(word)
        return self._heads.get(stem, stem)


def _stemmer(language: str) -> Callable[[str], str]:
    """Return Snowball's stemmer for the language, or one that changes nothing where there is none."""
    if language in Stemmer.algorithms():
        return Stemmer.Stemmer(language).stemWord  # type: ignore[no-any-return]  # it has no annotations
    return str


def _bare(word: str) -> str:
    """Return the word without a possessive, apostrophes, and the accents of Latin letters: phones leave them out."""
    word = word.removesuffix("'s").replace("'", "")
    if word.isascii():
        return word
    return unicodedata.normalize("NFC", _ACCENTED.sub(r"\1", unicodedata.normalize("NFD", word)))

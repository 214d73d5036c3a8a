"""The matchers that are compared: this one, and those that look for the most alike text.

All know the same phrasings. The others have no background, no lexicon and no spelling, as they come.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from rapidfuzz import fuzz, process
from rapidfuzz.utils import default_process

from faq.arrays import Floats
from faq.cache import Cache
from faq.corpus import Corpus
from faq.embedding import MiniLm
from faq.matching import Candidate, Matcher, Ranking, groups_of
from faq.model import Entry, Lexicon
from faq.reply import Fallback
from faq.text import Analysis, Analyzer, normalize, split_words
from faq.tfidf import TfidfIndex

THIS = "this matcher"
WORDS_ALONE = "this matcher, by words alone"

# Robertson and Zaragoza (2009) call 1.2 to 2 and 0.5 to 0.8 good for most collections.
_K1, _B = 1.2, 0.75
_RUNS_OF_CHARACTERS = (2, 3, 4, 5)
_CANDIDATES = 10

# From an utterance to how like it is to each document, and from documents to that.
Likeness = Callable[[str], Floats]
Like = Callable[[Sequence[str]], Likeness]


@dataclass(frozen=True)
class Knowledge:
    """What a matcher is built from."""

    entries: tuple[Entry, ...]
    background: tuple[str, ...]
    lexicon: Lexicon

    @property
    def texts(self) -> list[str]:
        """The questions and phrasings, entry by entry."""
        return [text for entry in self.entries for text in (entry.question, *entry.phrasings)]


class ThisMatcher:
    """This project's matcher as `evaluate` wants it: all that is compared is its ranking."""

    def __init__(self, knowledge: Knowledge, folder: Path, *, meaning: bool = True) -> None:
        encoder, cache = MiniLm(folder) if meaning else None, Cache(folder)
        entries, lexicon, background = knowledge.entries, knowledge.lexicon, knowledge.background
        *asked, unanswered = groups_of(entries, lexicon, background)
        questions = [*chain.from_iterable(asked)]
        self._corpus = Corpus(questions, unanswered, Analyzer(lexicon, questions, cache), encoder, cache)
        self._matcher = Matcher(entries, lexicon, background, self._corpus)

    def reply(self, utterance: str) -> Fallback:
        """Return the candidates; a fallback can carry any."""
        return Fallback(self._matcher.rank(self._corpus.read(utterance)))


class MostAlike:
    """Gives an entry the score of its most alike document: of its best phrasing, or of all of them as one."""

    def __init__(self, entries: Sequence[Entry], like: Like, *, as_one: bool = False) -> None:
        texts = [(entry.question, *entry.phrasings) for entry in entries]
        documents = [(" ".join(each),) for each in texts] if as_one else texts
        self._entries = entries
        self._like = like([document for each in documents for document in each])
        self._starts = np.cumsum([0, *map(len, documents[:-1])])

    def reply(self, utterance: str) -> Fallback:
        """Return the candidates; a fallback can carry any."""
        scores = np.maximum.reduceat(self._like(utterance), self._starts)
        best_first = np.argsort(-scores, kind="stable")[:_CANDIDATES]
        candidates = (Candidate(self._entries[i], float(scores[i]), "") for i in best_first)
        return Fallback(Ranking(Analysis(utterance, "", (), (), ()), tuple(candidates)))


def wratio(texts: Sequence[str]) -> Likeness:
    """Compare by rapidfuzz's WRatio, from 0 to 1."""
    return _fuzzy(texts, fuzz.WRatio)


def token_set_ratio(texts: Sequence[str]) -> Likeness:
    """Compare by rapidfuzz's token_set_ratio, from 0 to 1."""
    return _fuzzy(texts, fuzz.token_set_ratio)


def _fuzzy(texts: Sequence[str], scorer: Callable[..., float]) -> Likeness:
    processed = [default_process(text) for text in texts]
    return lambda utterance: process.cdist([default_process(utterance)], processed, scorer=scorer)[0] / 100


def characters(texts: Sequence[str]) -> Likeness:
    """Compare by TF-IDF of runs of characters within words, as scikit-learn's analyzer `char_wb`."""
    index = TfidfIndex(TfidfIndex.index([_characters(text) for text in texts]))
    return lambda utterance: index.similarities(_characters(utterance))


def _characters(text: str) -> Iterator[str]:
    for word in split_words(normalize(text)):
        padded = f" {word} "
        for length in _RUNS_OF_CHARACTERS:
            yield from (padded[i : i + length] for i in range(len(padded) - length + 1))


class Bm25:
    """BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009, equation 3.15) over words.

    The inverse document frequency is Lucene's, which is never negative.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        bags = [Counter(split_words(normalize(text))) for text in texts]
        lengths = np.array([bag.total() for bag in bags])
        saturation = _K1 * (1 - _B + _B * lengths / lengths.mean())
        frequency = Counter(word for bag in bags for word in bag)
        idf = {word: np.log(1 + (len(bags) - seen + 0.5) / (seen + 0.5)) for word, seen in frequency.items()}
        postings: dict[str, list[tuple[int, float]]] = {word: [] for word in frequency}
        for number, bag in enumerate(bags):
            for word, count in bag.items():
                weight = idf[word] * count * (_K1 + 1) / (count + saturation[number])
                postings[word].append((number, weight))
        self._count = len(bags)
        self._postings = {
            word: (np.array([number for number, _ in listed]), np.array([weight for _, weight in listed]))
            for word, listed in postings.items()
        }

    def __call__(self, utterance: str) -> Floats:
        """Return the score of each document."""
        scores = np.zeros(self._count)
        for word in split_words(normalize(utterance)):
            if word in self._postings:
                documents, weights = self._postings[word]
                scores[documents] += weights
        return scores


def _minilm(folder: Path) -> Like:
    encoder = MiniLm(folder)

    def like(texts: Sequence[str]) -> Likeness:
        senses = encoder.encode_all(texts)[:, 0]
        return lambda utterance: np.asarray(senses @ encoder.encode(utterance)[0])

    return like


Built = ThisMatcher | MostAlike
Build = Callable[[Knowledge, Path], Built]


def _most_alike(like: Like, *, as_one: bool = False) -> Build:
    return lambda knowledge, _: MostAlike(knowledge.entries, like, as_one=as_one)


# How each is built from what it knows; the folder keeps MiniLM and what was worked out at an earlier start.
MATCHERS: Mapping[str, Build] = {
    THIS: ThisMatcher,
    WORDS_ALONE: lambda knowledge, folder: ThisMatcher(knowledge, folder, meaning=False),
    "rapidfuzz `WRatio`, best phrasing": _most_alike(wratio),
    "rapidfuzz `token_set_ratio`, best phrasing": _most_alike(token_set_ratio),
    "TF-IDF of characters within words, best phrasing": _most_alike(characters),
    "TF-IDF of characters within words, whole entry": _most_alike(characters, as_one=True),
    "BM25, best phrasing": _most_alike(Bm25),
    "BM25, whole entry": _most_alike(Bm25, as_one=True),
    "MiniLM alone, best phrasing": lambda knowledge, folder: MostAlike(knowledge.entries, _minilm(folder)),
}

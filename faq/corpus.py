"""The texts that an FAQ is matched by, each once: how an utterance is read beside them, and what was learnt of them."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain

import numpy as np

from faq.arrays import Floats, Positions
from faq.cache import Arrays, Cache, digest_of_code
from faq.likeness import Encoder, Kernel, Likeness, Meaning, Spelling
from faq.text import Analysis, Analyzer, Words

# A message, and what is looked at by itself of it.
_REMEMBERED = 16


@dataclass(frozen=True)
class Reading:
    """An utterance as it is understood."""

    analysis: Analysis
    _likeness: Callable[[Words, Words], Likeness]
    _by_terms: Callable[[Words], Floats]

    @property
    def likeness(self) -> Likeness:
        """How like it is to each text of the corpus; worked out only when somebody asks."""
        return self._likeness(self.analysis.words, self.analysis.terms)

    @property
    def by_terms(self) -> Floats:
        """What terms alone add to its likeness by wording, at a glance."""
        return self._by_terms(self.analysis.terms)


class Corpus:
    """All texts of one FAQ in one order: the questions asked, what nothing answers, and messages of other kinds.

    What nearly all `asked` have in common tells nothing, so it does not count for likeness; by sense only they and the
    `unanswered` are told apart. The `kernel` tells how like the texts are to each other. With a cache, what is learnt
    is kept from one start to the next.
    """

    def __init__(
        self,
        asked: Iterable[str],
        unanswered: Iterable[str],
        analyzer: Analyzer,
        encoder: Encoder | None = None,
        cache: Cache | None = None,
        *,
        messages: Iterable[str] = (),
    ) -> None:
        typical = dict.fromkeys(asked)
        told_apart = dict.fromkeys(chain(typical, unanswered))
        self.texts = [*dict.fromkeys(chain(told_apart, messages))]
        self.analyzer = analyzer
        self.by_meaning = encoder is not None
        self._encoder_name = encoder.name if encoder else "words alone"
        self._cache = cache
        self._positions = {text: position for position, text in enumerate(self.texts)}
        self._typical, self._told_apart = len(typical), len(told_apart)
        self.kernel = self._kernel_of(encoder)
        # A message is read for ranking, for the gate and for cautions; its sentences and its questions are often the
        # same words, whose likeness is most of the work.
        self.read = lru_cache(_REMEMBERED)(self._read)
        self._likeness = lru_cache(_REMEMBERED)(self.kernel.likeness)

    def _read(self, utterance: str) -> Reading:
        """Return how an utterance is understood."""
        return Reading(self.analyzer.analyze(utterance), self._likeness, self.kernel.by_terms)

    def positions(self, texts: Iterable[str]) -> Positions:
        """Return where texts of the corpus stand in it."""
        return np.array([self._positions[text] for text in texts], np.intp)

    def learnt(self, kind: str, of: Sequence[Positions | Floats], learn: Callable[[], Arrays]) -> Arrays:
        """Return what was learnt of just this corpus and these arrays at an earlier start, or learn it."""
        if self._cache is None:
            return learn()
        digest = hashlib.blake2b(self._fingerprint, digest_size=16)
        for array in of:
            digest.update(array.tobytes())
        key = digest.hexdigest()
        if (kept := self._cache.load(kind, key)) is None:
            kept = learn()
            self._cache.save(kind, key, kept)
        return kept

    def analyses(self) -> list[Analysis]:
        """Return the texts as they are read; nobody keeps them, for they are most of what an FAQ would hold."""
        return [*map(self.analyzer.analyze, self.texts)]

    def _kernel_of(self, encoder: Encoder | None) -> Kernel:
        if encoder is None:
            return Spelling(self.learnt("index", (), lambda: Spelling.index(self.analyses())))
        index = self.learnt("index", (), lambda: Meaning.index(self.analyses(), encoder, self._told_apart))
        return Meaning(index, encoder, self._typical)

    @cached_property
    def _fingerprint(self) -> bytes:
        """A digest of all that learning depends on: this code, how texts are read, the encoder, the texts."""
        digest = hashlib.blake2b(digest_of_code(), digest_size=16)
        digest.update(
            repr((self.analyzer.fingerprint, self._encoder_name, self._typical, self._told_apart, self.texts)).encode()
        )
        return digest.digest()

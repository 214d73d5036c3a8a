"""The safety gate: whether a message sounds like an emergency, and which cautions a person's words call for.

Every word is in safety.yaml. Its lists of phrases are found in the utterance; a phrase may use other lists, so that
"<chest> ... <hurts>" is a sign. A silencer (past, supposed, denied, a manner of speaking) reaches over some words and
takes the alarm out of the signs there. A rule is met by a sign that nothing silences, beside what the rule asks for.
All of it takes time in proportion to the utterance's length.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush
from itertools import accumulate, chain, combinations

from rapidfuzz.distance import OSA

from faq.model import Caution, Notice, Phrases, Reading, Rule, Safety, Silencer, Unlike
from faq.text import normalize, split_words, word_list

# Lists that need no phrases of their own.
_NUMBER, _YEAR, _COMMA = "number", "year", "comma"
_BUILT_IN = frozenset({_NUMBER, _YEAR, _COMMA})
_IS_YEAR = re.compile(r"(?:19|20)\d\d")
_PHRASE_PART = re.compile(r"<([^<>]+)>|(\.\.\.)|[^<.]+|[<.]")
# How many words "..." may stand for.
_GAP = 5
# The end of a sentence stands among the words, so that no phrase reaches over it.
_END = ""

_LETTERS_OR_DIGITS = re.compile(r"\d+|\D+")
_STRETCHED = re.compile(r"(.)\1{2,}")
# Shorter words have too many neighbours to be mended, longer ones are nobody's; two mistakes need a long word.
_SHORTEST, _TWO_MISTAKES, _LONGEST = 5, 9, 16
_SHORTEST_PART = 4
# Mistakes in the first letters suffice to find a word's neighbours (as in Garbe's SymSpell).
_BEGINNING = 7
_REMEMBERED_WORDS = 20_000

Span = tuple[int, int]


@dataclass(frozen=True)
class Alarm:
    """The rule that was met, and the notice to show."""

    rule: str
    kind: Notice


class SafetyError(Exception):
    """Every mistake that the lists and rules of a safety.yaml hold, a sentence each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Triage:
    """Reads utterances by one safety.yaml; raises SafetyError with every mistake that its lists and rules hold."""

    def __init__(self, safety: Safety, language: str) -> None:
        reader = _Reader(safety.reading)
        if problems := _faults(safety, reader):
            raise SafetyError(problems)
        self._safety = safety
        self._notices = {notice.id: notice for notice in safety.notices}
        self._finder = _Finder(safety, reader, language)

    def alarm(self, utterance: str) -> Alarm | None:
        """Return the first rule, in the file's order, that the utterance meets."""
        for rule in self.rules_met(utterance):
            return Alarm(rule.id, self._notices[rule.kind])
        return None

    def rules_met(self, utterance: str) -> Iterator[Rule]:
        """Yield every rule that the utterance meets, in the file's order."""
        found = self._finder.find(utterance)
        return (rule for rule in self._safety.rules if found.meets(rule))

    def cautions(self, utterance: str) -> tuple[Caution, ...]:
        """Return the cautions that the utterance calls for, in the file's order."""
        found = self._finder.find(utterance)
        return tuple(caution for caution in self._safety.cautions if found.calls_for(caution))


def check(safety: Safety, language: str) -> list[str]:
    """Return a sentence for each mistake in the lists, and for each example or look-alike that turns out wrong."""
    if problems := _faults(safety, _Reader(safety.reading)):
        return problems
    triage = Triage(safety, language)
    return [*_wrong_alarms(triage, safety.rules), *_wrong_cautions(triage, safety.cautions)]


def _wrong_alarms(triage: Triage, rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        for text in rule.examples:
            if rule not in triage.rules_met(text):
                yield f"rule {rule.id!r}: its example {text!r} does not alarm by it. Add the words it lacks."
        for text in rule.look_alikes:
            if alarm := triage.alarm(text):
                yield f"rule {rule.id!r}: {text!r} must not alarm, but rule {alarm.rule!r} does. Narrow that rule."


def _wrong_cautions(triage: Triage, cautions: Iterable[Caution]) -> Iterator[str]:
    for caution in cautions:
        for text in caution.examples:
            if caution not in triage.cautions(text):
                yield f"caution {caution.id!r}: its example {text!r} does not call for it. Add the words it lacks."
        for text in caution.look_alikes:
            if caution in triage.cautions(text):
                yield f"caution {caution.id!r}: {text!r} must not call for it, but does. List what differs as `not`."


def _faults(safety: Safety, reader: "_Reader") -> list[str]:
    """Return a sentence for each name that leads nowhere, stands twice or in a circle, and for each empty phrase."""
    lists = _all_lists(safety)
    problems, uses = [*_repeated(safety)], dict[str, set[str]]()
    for name, phrases in lists.items():
        patterns = {phrase: reader.pattern(phrase) for phrase in phrases}
        uses[name] = {part for pattern in patterns.values() for _, part in pattern if isinstance(part, str)}
        problems += (f"{name!r}: {phrase!r} holds no word. Rewrite it." for phrase in patterns if not patterns[phrase])
        problems += (
            f"{name!r}: {phrase!r} holds {filler!r}, a filler, which is passed over. Leave it out."
            for phrase in patterns
            for filler in reader.fillers_in(phrase)
        )
    problems += _astray(safety, uses)
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as circle:
        problems.append(f"these lists use each other in a circle: {', '.join(circle.args[1])}. Break it.")
    return problems


def _repeated(safety: Safety) -> Iterator[str]:
    ids = {
        "notice": [notice.id for notice in safety.notices],
        "silencer": [silencer.id for silencer in safety.silencers],
        "rule": [rule.id for rule in safety.rules],
        "caution": [caution.id for caution in safety.cautions],
    }
    for kind, named in ids.items():
        yield from (f"{kind} {name!r} stands twice. Rename one." for name, times in Counter(named).items() if times > 1)
    yield from (
        f"{name!r} is a list of words and of signs. Rename one." for name in safety.words if name in safety.signs
    )


def _astray(safety: Safety, uses: dict[str, set[str]]) -> Iterator[str]:
    lists = {*uses, *_BUILT_IN}
    silencers = {silencer.id for silencer in safety.silencers}
    notices = {notice.id for notice in safety.notices}
    named = [(place, names, lists, "list") for place, names in uses.items()]
    for silencer in safety.silencers:
        named.append((f"silencer {silencer.id}", {*silencer.until, *silencer.unless}, lists, "list"))
    for rule in safety.rules:
        named.append((f"rule {rule.id}", {*rule.signs, *rule.unless, *chain.from_iterable(rule.beside)}, lists, "list"))
        named.append((f"rule {rule.id}", {*rule.despite}, silencers, "silencer"))
        named.append((f"rule {rule.id}", {rule.kind}, notices, "notice"))
    for caution in safety.cautions:
        named.append((f"caution {caution.id}", {*caution.silenced_by}, silencers, "silencer"))
    for place, names, known, what in named:
        yield from (
            f"{place!r}: there is no {what} {name!r}. Write it, or mend the name." for name in sorted(names - known)
        )


def _all_lists(safety: Safety) -> dict[str, list[str]]:
    """Return the phrases of every list by its name; what a list leaves out is a list of its own."""
    lists: dict[str, Phrases] = {**safety.words, **safety.signs}
    lists |= {_silencer_list(silencer): silencer.phrases for silencer in safety.silencers}
    lists |= {_caution_list(caution): caution.phrases for caution in safety.cautions}
    phrases = {name: [phrase for phrase in listed if isinstance(phrase, str)] for name, listed in lists.items()}
    for name, listed in lists.items():
        if left_out := [phrase.phrase for phrase in listed if isinstance(phrase, Unlike)]:
            phrases[_left_out(name)] = left_out
    return phrases


def _left_out(name: str) -> str:
    return f"not {name}"


def _plain(word: str) -> list[str]:
    """Return the word without accents and apostrophes, and digits apart from letters."""
    if not word.isascii():
        word = "".join(sign for sign in unicodedata.normalize("NFKD", word) if not unicodedata.combining(sign))
    word = word.replace("'", "")
    return [word] if word.isalpha() else _LETTERS_OR_DIGITS.findall(word)


def _words(text: str) -> list[str]:
    if (words := text.casefold().split()) and all(word.isascii() and word.isalpha() for word in words):
        return words  # as most phrases are: safety.yaml has thousands
    return [*chain.from_iterable(map(_plain, split_words(normalize(text))))]


class _Reader:
    """Cuts phrases and utterances into plain words and sentences."""

    def __init__(self, reading: Reading) -> None:
        self._fillers = frozenset(chain.from_iterable(map(_words, reading.fillers)))
        self._spellings = {" ".join(_words(typed)): _words(meant) for typed, meant in reading.spellings.items()}
        self._line_end = reading.ends[0]
        self._ends = frozenset(reading.ends)
        separators = f"[{re.escape(reading.ends + reading.commas)}]"
        self._separator = re.compile(rf"((?<!{separators}){separators}++(?!\w))")
        self.known = {*self._fillers, *self._spellings, *chain.from_iterable(self._spellings.values())}
        self.pattern = cache(self._pattern)

    def _pattern(self, phrase: str) -> list[tuple[bool, str | tuple[str, ...]]]:
        """Return the phrase's parts, a list's name or plain words, each with whether other words may come before it."""
        pattern, gap = list[tuple[bool, str | tuple[str, ...]]](), False
        for part in _PHRASE_PART.finditer(phrase):
            name, dots = part.groups()
            if dots:
                gap = bool(pattern)
            elif meant := name or tuple(_words(part[0])):
                pattern.append((gap, meant))
                gap = False
        return pattern

    def fillers_in(self, phrase: str) -> list[str]:
        """Return the phrase's words that are passed over in utterances, so that the phrase could never be found."""
        plain = (part for _, part in self.pattern(phrase) if not isinstance(part, str))
        return [word for word in chain.from_iterable(plain) if word in self._fillers]

    def read(self, utterance: str, mender: "_Mender") -> tuple[list[str], list[int]]:
        """Return the words as they were meant, with an empty one at each sentence's end, and the places of commas."""
        words, commas = list[str](), list[int]()
        text = normalize(f"{self._line_end} ".join(filter(str.strip, utterance.splitlines())))
        for place, piece in enumerate(self._separator.split(text)):
            if place % 2 == 0:
                meant = (mender.mend(word) for typed in split_words(piece) for word in mender.bare(typed))
                spelled = chain.from_iterable(self._spellings.get(word) or word.split() for word in meant)
                words += (word for word in spelled if word not in self._fillers)
            elif self._ends.isdisjoint(piece):
                commas.append(len(words))
            else:
                words.append(_END)
        words.append(_END)
        return words, commas


class _Mender:
    """Mends a word that the language does not know, towards the words that safety.yaml listens for."""

    def __init__(self, vocabulary: Iterable[str], language: str) -> None:
        self._vocabulary = frozenset(vocabulary)
        self._language = word_list(language)
        self._neighbours = defaultdict[str, list[str]](list)
        for word in self._vocabulary:
            if _SHORTEST <= len(word) <= _LONGEST:
                for shorter in _shortened(word):
                    self._neighbours[shorter].append(word)
        self.mend = lru_cache(_REMEMBERED_WORDS)(self._mend)

    def bare(self, typed: str) -> list[str]:
        """Return the plain words; what follows an apostrophe is kept only where the whole word is listened for."""
        whole = _plain(typed)
        return whole if "'" not in typed or whole[0] in self._vocabulary else _plain(typed.partition("'")[0])

    def _mend(self, word: str) -> str:
        """Return the word as it was probably meant: itself, a neighbour listened for, or two of them run together."""
        if word in self._vocabulary:
            return word
        twice, once = _STRETCHED.sub(r"\1\1", word), _STRETCHED.sub(r"\1", word)
        for shorter in (twice, once):
            if shorter in self._vocabulary:
                return shorter
        if not _SHORTEST <= len(once) <= _LONGEST:
            return word
        meant = self._nearest(once) or self._parted(once)
        return word if meant is None or word in self._language else meant

    def _nearest(self, word: str) -> str | None:
        """Return the nearest word; a wrong first letter counts as one more mistake."""
        near = {other for shorter in _shortened(word) for other in self._neighbours.get(shorter, ())}
        ranked = sorted((OSA.distance(word, other) + (word[0] != other[0]), other) for other in near)
        return ranked[0][1] if ranked and ranked[0][0] <= _mistakes(word) else None

    def _parted(self, word: str) -> str | None:
        for cut in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
            if word[:cut] in self._vocabulary and word[cut:] in self._vocabulary:
                return f"{word[:cut]} {word[cut:]}"
        return None


def _mistakes(word: str) -> int:
    return 1 + (len(word) >= _TWO_MISTAKES)


def _shortened(word: str) -> set[str]:
    """Return the word's beginning with up to as many letters left out as it may have mistakes: near words share one."""
    beginning = word[:_BEGINNING]
    kept = (combinations(beginning, len(beginning) - left_out) for left_out in range(_mistakes(word) + 1))
    return {"".join(letters) for letters in chain.from_iterable(kept)}


class _Node:
    """A place in the tree of plain phrases: the words that may follow, and the lists whose phrase ends here."""

    __slots__ = ("following", "names")

    def __init__(self) -> None:
        self.following = dict[str, _Node]()
        self.names = list[str]()


class _Finder:
    """Finds every list of safety.yaml in an utterance."""

    def __init__(self, safety: Safety, reader: _Reader, language: str) -> None:
        self._safety = safety
        self._reader = reader
        self._root = _Node()
        self._joined = dict[str, dict[str, list[list[tuple[bool, str]]]]]()
        uses, vocabulary = dict[str, set[str]](), set(self._reader.known)
        for name, phrases in _all_lists(safety).items():
            self._joined[name] = {}
            uses[name] = {_left_out(name)}
            for phrase in phrases:
                pattern = self._reader.pattern(phrase)
                uses[name].update(part for _, part in pattern if isinstance(part, str))
                vocabulary.update(chain.from_iterable(part for _, part in pattern if not isinstance(part, str)))
                self._plant(name, pattern)
        self._order = [name for name in TopologicalSorter(uses).static_order() if name in self._joined]
        self._begun_by = defaultdict[str, list[int]](list)
        for place, name in enumerate(self._order):
            for first in self._joined[name]:
                self._begun_by[first].append(place)
            if _left_out(name) in self._joined:
                self._begun_by[name].append(place)
        self._mender = _Mender(vocabulary, language)

    def _plant(self, name: str, pattern: list[tuple[bool, str | tuple[str, ...]]]) -> None:
        """Put a phrase's plain words into the tree, under the list's name or, as a part of it, under their own."""
        joints = list[tuple[bool, str]]()
        for gap, part in pattern:
            if isinstance(part, str):
                joints.append((gap, part))
                continue
            node = self._root
            for word in part:
                node = node.following.setdefault(word, _Node())
            key = name if len(pattern) == 1 else f"words {' '.join(part)}"
            if key not in node.names:
                node.names.append(key)
            joints.append((gap, key))
        if len(pattern) > 1 or isinstance(pattern[0][1], str):
            self._joined[name].setdefault(joints[0][1], []).append(joints)

    def find(self, utterance: str) -> "_Found":
        """Return where the lists occur in the utterance."""
        words, commas = self._reader.read(utterance, self._mender)
        spans = self._plain_phrases(words, frozenset(commas))
        if commas:
            spans[_COMMA] = [(place, place) for place in commas]
        sentence_ends = _sentence_ends(words)
        # A list is looked for only where a part that begins one of its phrases occurs, and after the lists it uses.
        begun = [(place, part) for part in spans for place in self._begun_by.get(part, ())]
        heapify(begun)
        while begun:
            place = begun[0][0]
            name, parts = self._order[place], list[str]()
            while begun and begun[0][0] == place:
                parts.append(heappop(begun)[1])
            found = self._spans_of(name, parts, spans, sentence_ends)
            if found and name not in spans:
                for later in self._begun_by.get(name, ()):
                    if later != place:
                        heappush(begun, (later, name))
            spans[name] = found
        return _Found(self._safety, sentence_ends, spans)

    def _spans_of(self, name: str, parts: list[str], spans: dict[str, list[Span]], ends: list[int]) -> list[Span]:
        """Return where a list occurs: its plain phrases, those that begin with the parts, less what it leaves out."""
        found = set(spans.get(name, ()))
        for joints in chain.from_iterable(self._joined[name].get(part, ()) for part in parts):
            found.update(_join(joints, spans, ends))
        left_out = {place for span in spans.get(_left_out(name), ()) for place in range(*span)}
        return sorted(span for span in found if left_out.isdisjoint(range(*span)))

    def _plain_phrases(self, words: list[str], commas: frozenset[int]) -> dict[str, list[Span]]:
        spans = defaultdict[str, list[Span]](list)
        for start, first in enumerate(words):
            if first.isdecimal():
                spans[_NUMBER].append((start, start + 1))
                if _IS_YEAR.fullmatch(first):
                    spans[_YEAR].append((start, start + 1))
            node, end = self._root.following.get(first), start + 1
            while node:
                for name in node.names:
                    spans[name].append((start, end))
                node = node.following.get(words[end]) if end < len(words) and end not in commas else None
                end += 1
        return dict(spans)


def _join(joints: list[tuple[bool, str]], spans: dict[str, list[Span]], sentence_ends: list[int]) -> Iterable[Span]:
    """Return where the parts follow one another, in the same sentence."""
    joined = spans[joints[0][1]]
    for gap, name in joints[1:]:
        longer, following = set[Span](), spans.get(name, [])
        for start, end in joined:
            latest = min(end + gap * _GAP, sentence_ends[end])
            place = bisect_left(following, (end, end))
            while place < len(following) and following[place][0] <= latest:
                longer.add((start, following[place][1]))
                place += 1
        joined = sorted(longer)
    return joined


def _sentence_ends(words: list[str]) -> list[int]:
    """Return for each word the place where its sentence ends."""
    ends, end = list[int](), len(words)
    for place in range(len(words) - 1, -1, -1):
        end = place if words[place] == _END else end
        ends.append(end)
    return ends[::-1]


class _Found:
    """The lists that occur in one utterance, and what the silencers leave of them."""

    def __init__(self, safety: Safety, sentence_ends: list[int], spans: dict[str, list[Span]]) -> None:
        self._safety = safety
        self._sentence_ends = sentence_ends
        self._spans = spans

    @cached_property
    def _reaches(self) -> dict[str, "_Reach"]:
        ends = sorted(set(self._sentence_ends))
        present = [silencer for silencer in self._safety.silencers if self._spans.get(_silencer_list(silencer))]
        return {silencer.id: _Reach(silencer, self._spans, ends) for silencer in present}

    def meets(self, rule: Rule) -> bool:
        """Tell whether enough of the rule's signs are live, with what it asks for near them and nothing it forbids."""
        if sum(bool(self._spans.get(name)) for name in rule.signs) < rule.at_least:
            return False
        heeded = self._reaches.keys() - set(rule.despite)
        signs = [spans for name in rule.signs if (spans := self._live(name, heeded))]
        beside = [self._starts(names, heeded) for names in rule.beside]
        if len(signs) < rule.at_least or not all(beside):
            return False
        forbidden = self._starts(rule.unless, heeded)
        others = [[start for start, _ in spans] for spans in signs]
        return any(
            all(_is_near(span, starts, rule.near) for starts in beside)
            and not _is_near(span, forbidden, rule.near)
            and sum(_is_near(span, starts, rule.near) for starts in others) >= rule.at_least
            for span in chain.from_iterable(signs)
        )

    def calls_for(self, caution: Caution) -> bool:
        """Tell whether the caution's words occur and are not silenced."""
        return bool(self._live(_caution_list(caution), caution.silenced_by))

    def _starts(self, names: Iterable[str], heeded: Iterable[str]) -> list[int]:
        """Return where any of the lists occurs; what is only a list of words, no silencer reaches."""
        live = (self._live(name, heeded if name in self._safety.signs else ()) for name in names)
        return sorted(start for spans in live for start, _ in spans)

    def _live(self, name: str, silencers: Iterable[str]) -> list[Span]:
        reaches = [self._reaches[silencer] for silencer in silencers if silencer in self._reaches]
        return [span for span in self._spans.get(name, ()) if not any(reach.covers(*span) for reach in reaches)]


def _is_near(span: Span, starts: list[int], distance: int) -> bool:
    place = bisect_left(starts, span[0] - distance)
    return place < len(starts) and starts[place] <= span[1] + distance


class _Reach:
    """The words of one utterance that one silencer reaches."""

    def __init__(self, silencer: Silencer, spans: dict[str, list[Span]], ends: list[int]) -> None:
        self._silencer = silencer
        self._ends = ends
        self._breaks = sorted(start for name in silencer.until for start, _ in spans.get(name, ()))
        lifted = sorted(start for name in silencer.unless for start, _ in spans.get(name, ()))
        steps = [0] * (ends[-1] + 2)
        for trigger in spans[_silencer_list(silencer)]:
            first, last = self._scope(*trigger)
            if bisect_left(lifted, first) == bisect_left(lifted, last):
                steps[first] += 1
                steps[last] -= 1
        self._reached_before = [0, *accumulate(map(bool, accumulate(steps)))]

    def covers(self, start: int, end: int) -> bool:
        """Tell whether the silencer silences what stands there; a trigger inside of that counts only with `here`."""
        match self._silencer.reach:
            case "before":
                start = end - 1
            case "after" | "around":
                end = start + 1
        return self._reached_before[end] > self._reached_before[start]

    def _scope(self, start: int, end: int) -> Span:
        """Return from and up to which word a trigger reaches; a break right beside it does not stop it."""
        reach = self._silencer.reach
        if reach == "here":
            return start, end
        distance = self._silencer.words or self._ends[-1]
        earliest = max(start - distance, _last_below(self._breaks, start), _last_below(self._ends, start))
        sentence_end, place = self._ends[bisect_left(self._ends, end)], bisect_right(self._breaks, end)
        latest = min(end + distance, sentence_end, *self._breaks[place : place + 1])
        return end if reach == "after" else earliest, start if reach == "before" else latest


def _last_below(places: list[int], start: int) -> int:
    place = bisect_left(places, start)
    return places[place - 1] if place else 0


def _silencer_list(silencer: Silencer) -> str:
    return f"silencer {silencer.id}"


def _caution_list(caution: Caution) -> str:
    return f"caution {caution.id}"

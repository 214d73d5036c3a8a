"""The records of the FAQ as its YAML files hold them: frozen, checked, and free of any behaviour."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Strict, StringConstraints, Tag

# Callback data holds 64 bytes and a start payload 64 characters: an id leaves room for what stands beside it.
ID_LENGTH = 40

Text = Annotated[str, Strict(), StringConstraints(strip_whitespace=True, min_length=1)]
Id = Annotated[str, Strict(), StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=ID_LENGTH)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=1)]
# The pattern of a port, 1 to 65535.
PORT = r"(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])"
Address = Annotated[str, Strict(), StringConstraints(pattern=rf"^https?://[\w-]+(\.[\w-]+)+(:{PORT})?([/?#]\S*)?$")]


class Record(BaseModel):
    """What every record shares: it never changes, and a key it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Clinic(Record):
    """Who speaks, the link that leads to a person there, and the numbers for an emergency."""

    name: Text
    contact: Address | None = None
    emergency: Text = "911"
    crisis: Text = "988"
    poison: Text = "1-800-222-1222"


class SmalltalkWording(Record):
    """What the bot says to messages that are no question."""

    greeting: Text
    thanks: Text
    goodbye: Text
    abilities: Text
    privacy: Text
    acknowledgement: Text


class ButtonWording(Record):
    """The labels of the buttons that are not an entry's own question."""

    contact: Text
    topics: Text
    copy_question: Text
    not_emergency: Text
    helpful: Text
    not_helpful: Text
    forget: Text


class Wording(Record):
    """Every sentence that the bot says by itself."""

    start: Text
    help: Text
    privacy: Text
    forget: Text
    forgotten: Text
    forget_later: Text
    contact: Text
    topics: Text
    topic: Text
    clarify: Text
    fallback: Text
    fallback_contact: Text
    fallback_near: Text
    reviewed: Text
    reviewed_with_sources: Text
    not_text: Text
    feedback_thanks: Text
    outdated_button: Text
    too_many: Text
    trouble: Text
    smalltalk: SmalltalkWording
    buttons: ButtonWording


class Source(Record):
    """Where an answer's facts come from, as the patient may look it up."""

    title: Text
    address: Address | None = None


class Topic(Record):
    """A group of entries in the menu."""

    id: Id
    title: Text


class Entry(Record):
    """One thing people want to know, and the clinic's reviewed answer in Markdown."""

    id: Id
    topic: Id
    question: Text
    answer: Text
    phrasings: tuple[Text, ...] = ()
    sources: tuple[Text, ...] = ()
    reviewed: date | None = None
    related: tuple[Id, ...] = ()
    handoff: Flag = False


class Answers(Record):
    """The whole of answers.yaml."""

    clinic: Clinic | None = None
    wording: Wording
    sources: dict[Text, Source] = {}
    topics: tuple[Topic, ...]
    entries: tuple[Entry, ...]


class SmalltalkPhrases(Record):
    """Short things people say that are no question, a list for each kind of small talk."""

    greeting: tuple[Text, ...] = ()
    thanks: tuple[Text, ...] = ()
    goodbye: tuple[Text, ...] = ()
    abilities: tuple[Text, ...] = ()
    privacy: tuple[Text, ...] = ()
    acknowledgement: tuple[Text, ...] = ()


class Lexicon(Record):
    """What the matcher knows of the language: its name for stemmer and word list, and words that stand for others."""

    language: Text
    abbreviations: dict[Text, Text] = {}
    synonyms: tuple[tuple[Text, ...], ...] = ()
    stopwords: tuple[Text, ...] = ()
    negations: tuple[Text, ...] = ()
    conjunctions: tuple[Text, ...] = ()
    smalltalk: SmalltalkPhrases = SmalltalkPhrases()


class Notice(Record):
    """What a person in danger reads: one text for each kind of emergency."""

    id: Id
    text: Text


class Unlike(Record):
    """A phrase that looks like the others of its list and does not count; it is written `- not: phrase`."""

    phrase: Text = Field(alias="not")


# In pydantic's errors these stand in the way to a phrase, to tell by which of the two it was read.
PHRASE_TAGS = ("a phrase", "a phrase that does not count")


def _tag(phrase: Any) -> str:
    return PHRASE_TAGS[isinstance(phrase, Unlike) or (isinstance(phrase, dict) and "not" in phrase)]


# A phrase is words one after the other, whatever their endings; "1-17 years old" holds any of the numbers.
Phrases = tuple[
    Annotated[Annotated[Text, Tag(PHRASE_TAGS[0])] | Annotated[Unlike, Tag(PHRASE_TAGS[1])], Discriminator(_tag)], ...
]
# One combination or several: all cues of one must be there.
Combinations = tuple[tuple[Id, ...], ...]


class Rule(Record):
    """One way in which an emergency shows: the cues that are there, messages that must alarm, and look-alikes."""

    id: Id
    kind: Id
    reason: Text
    cues: Combinations = ()
    examples: tuple[Text, ...] = Field(min_length=1)
    look_alikes: tuple[Text, ...] = Field((), alias="not")


class Caution(Record):
    """A sentence for people who must take care first, and the cues by which they tell it of themselves."""

    id: Id
    text: Text
    cues: Combinations
    before_answer: Flag = False
    examples: tuple[Text, ...] = ()
    look_alikes: tuple[Text, ...] = Field((), alias="not")


class Safety(Record):
    """The whole of safety.yaml: the notices, the rules that call for them, and the cautions."""

    notices: tuple[Notice, ...]
    cues: dict[Id, Phrases] = {}
    rules: tuple[Rule, ...] = ()
    harmless: tuple[Text, ...] = ()
    cautions: tuple[Caution, ...] = ()
    applies_to: tuple[Id, ...] = ()
    see: Id | None = None


class Content(Record):
    """All that the bot knows, from every file of an FAQ folder."""

    answers: Answers
    lexicon: Lexicon
    safety: Safety
    background: tuple[Text, ...] = ()

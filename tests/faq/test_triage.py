"""What sounds like an emergency must alarm; what only looks like one must not."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.cache import Cache
from faq.corpus import Corpus
from faq.embedding import MiniLm
from faq.loading import OWN, load
from faq.model import Caution, Lexicon, Safety
from faq.reply import Faq
from faq.text import Analyzer
from faq.triage import Alarm, Triage, messages_of, phrases_of

# The product's own gate. Its sentences here are nobody's examples: none stands in safety.yaml.

URGENT = {
    "medical": (
        "my chest feels like someone is standing on it and my left arm is going numb",
        "crushing pain in my chest since about 20 minutes ago, can acupuncture help?",
        "pain in my jaw and down my arm, sweating like crazy",
        "chest is really tight and I feel sick and clammy",
        "bad chest pian rn",
        "mom's face is drooping on one side and she can't talk right",
        "my husband suddenly can't move his right arm and his speech is slurred",
        "one side of my body just went numb",
        "i woke up and cant see out of my left eye all of a sudden",
        "my dad is talking gibberish and seems really confused all of a sudden",
        "i cant breath",
        "cnt breathe plz help",
        "CANT BREATHE",
        "my son is choking on a grape",
        "he's wheezing really bad and his inhaler isn't working",
        "my throat is closing up after eating shrimp",
        "my tongue and lips are swelling up fast",
        "covered in hives and it's getting hard to breathe",
        "the cut on my hand won't stop bleeding, it's soaked through two towels",
        "blood is spurting out of his leg",
        "my wife passed out and won't wake up",
        "grandpa collapsed and he is not responding",
        "she's having a seizure right now what do i do",
        "my kid has been shaking and jerking for five minutes and won't answer me",
        "worst headache of my life, came out of nowhere",
        "hit my head on the ice and now I keep throwing up and feel confused",
        "fever of 104 and my neck is so stiff I can't bend it, light hurts my eyes",
        "my back pain got worse and now I'm numb between my legs and can't pee",
        "I'm 30 weeks pregnant and bleeding a lot",
        "8 months pregnant and I haven't felt the baby move all day",
        "my baby is limp and not breathing",
        "newborn turned blue in his crib",
        "boiling oil all over my arms the skin is coming off",
        "my brother grabbed a live wire and got shocked he's on the floor",
        "we pulled her out of the pool and she isn't breathing",
        "me duele mucho el pecho y el brazo izquierdo",
        "mi mamá se desmayó y no despierta",
        "my calf is swollen and hot and now i can hardly breathe",
        "diabetic friend is shaky and making no sense, meter says 38",
        "stomach hard as a board and the pain is unbearable, i keep vomiting",
        "a bee stung him and his whole face is puffing up",
        "i fell off a ladder and the bone is sticking out",
        "stabbing pain in my eye and suddenly everything is dark",
        "my neighbor got pulled under in the lake and has stopped breathing",
    ),
    "crisis": (
        "I want to kill myself",
        "i wanna kms",
        "thinking about sucide every day",
        "I don't want to be alive anymore",
        "everyone would be better off without me",
        "there's no reason for me to be here",
        "I just want to go to sleep and never wake up",
        "I've been cutting myself again",
        "I have a plan and I have the pills ready",
        "my daughter says she wants to end her life",
        "I can't do this anymore, I want it all to end",
        "im going to hang myself",
        "quiero matarme",
        "ya no quiero vivir",
        "can acupuncture help depression? i keep thinking about ending it all",
        "he said he bought a gun and will use it on himself tonight",
        "my boyfriend choked me and i am afraid he will do it again",
        "the voices tell me to jump off the roof",
    ),
    "poisoning": (
        "my son swallowed a bunch of my heart pills",
        "I took way too many Tylenol",
        "she took a whole bottle of sleeping pills",
        "mixed bleach and ammonia in the bathroom and now my eyes and throat burn",
        "my 2 year old ate the liniment from your shop",
        "I think my dog sitter's kid ate rat poison",
        "I took triple the dose of the Chinese herbs and feel really sick",
        "mi hijo se tomó cloro",
        "baby got hold of a button battery and i think it went down",
        "carbon monoxide alarm is beeping and we all have headaches",
        "my girl chewed on the moxa stick and swallowed some of it",
        "he drank antifreeze thinking it was juice",
    ),
    "needling": (
        "I had acupuncture this morning and now it hurts to breathe",
        "chest has been tight ever since the needles went in my upper back",
        "a few hours after my session I'm short of breath",
        "sharp pain in my chest after my appointment with you today",
        "got needled in the shoulder yesterday, can't take a deep breath since",
        "my friend collapsed right after her acupuncture session",
        "needled two days ago, now the spot is hot and swollen and i have a fever",
        "the place where the needle was keeps bleeding and will not stop",
        "my foot has hung down since the acupuncture yesterday, i cannot lift it",
    ),
}

CALM = (
    "I had a stroke in 2015, can I still get acupuncture?",
    "when I had my heart attack last year they put in a stent, is needling ok",
    "used to get panic attacks where I couldn't breathe",
    "could a needle puncture a lung?",
    "what if I faint during the session",
    "what happens if I bleed after the needle comes out",
    "after a heart attack, is it safe to have acupuncture?",
    "do you treat stroke survivors",
    "dying to know how much this costs",
    "I'm scared to death of needles",
    "I could die of embarrassment if I have to undress",
    "family emergency, I have to cancel tomorrow",
    "killer headache all week, does it help migraines",
    "your prices are bleeding me dry",
    "these prices almost gave me a heart attack lol",
    "shoot me an email with the details",
    "I would die for a massage right now",
    "I got all choked up reading your reviews",
    "burning question: do the needles hurt?",
    "stabbing pain in my shoulder for years, could needles help?",
    "I get short of breath sometimes from anxiety, does acupuncture help with that",
    "I have a small bruise where the needle was, is that normal?",
    "a drop of blood came out when the needle was removed, normal?",
    "felt a bit dizzy after my session, is that ok",
    "my fingers have been numb for months, carpal tunnel",
    "no chest pain or anything, just a sore back",
    "I'm stressed but not suicidal",
    "is it true that people have died from acupuncture",
    "my neck is stiff from sleeping wrong",
    "can acupressure stop a nosebleed",
    "my dog was hit by a car last week so I missed my appointment",
    "how do you keep patients from passing out",
    "I'm breathless with excitement for my first visit",
    "I almost choked when I saw the bill",
    "can kids have acupuncture?",
    "is there any risk of infection or overdose with herbs",
    "I fainted once when they drew my blood, should I tell you",
    "my mom had a seizure when she was a child, is it safe for her",
    "do you help people who have survived a suicide attempt",
    "lost my brother to suicide two years ago and I can't sleep, would acupuncture help with grief",
    "acupuncture for bell's palsy, my face has drooped since March",
    "what should I do if I feel chest pain after acupuncture",
    "my sciatica makes my leg numb on and off",
    "is it normal to be tired after",
    "how deep do the needles go in the chest",
    "I smoke and want to quit, can needles help me breathe better",
    "my asthma is under control, is acupuncture safe",
    "pregnant and nauseous all the time, can acupressure help",
    "do the needles ever break",
    "I'm dead tired after work, do you have evening slots",
    "that massage was to die for",
    "I killed it at the gym and now my legs are sore",
    "my phone died, can you resend the link",
    "you guys saved my life, my migraine is gone!",
    "this waiting list is torture, kill me now haha",
    "is acupuncture good for high blood pressure",
    "can you treat the weakness on my left side from an old stroke",
    "does the needle hit a nerve or cause numbness",
    "I take blood pressure pills every morning, is that a problem",
    "I hit a wall with physical therapy, is acupuncture next",
    "my knee gave out last year, surgery didn't help",
    "can't breathe through my nose because of allergies, does acupuncture help sinus problems",
    "do I have to hold my breath when you insert them",
    "my tongue was looked at last time, why do you look at the tongue",
    "my wife says the needles knocked her out, best sleep ever",
    "no emergency, just wondering when you open",
    "heartburn after meals, which point do I press?",
    "I get a tight chest before exams, would acupressure calm me",
    "how many needles do you use",
    "hello",
    "3",
    "1",
    "7",
    "hi",
    "bye",
    "no",
    "thanks",
    "25",
    "my son is 3",
    "i am 62",
    "ok",
    "yes",
    "I'd like to fill in the form from your site",
    "is there a diet to follow",
    "do you heat the room, it hurts to be cold",
    "venmo or cards?",
    "stoked for my first visit",
    "is the chest x-ray needed",
    "i had chest pain in 2015",
)

CAUTIONS = {
    "my wife is expecting, can she come along": {"pregnancy"},
    "Im 20 weeks pregnent and my back hurts": {"pregnancy"},
    "not pregnant, just checking what is safe": set(),
    "we're trying to get pregnant": set(),
    "I take Eliquis for afib": {"blood-thinners"},
    "my doctor has me on a daily aspirin": {"blood-thinners"},
    "I have hemophilia": {"blood-thinners"},
    "no blood thinners, no pacemaker": set(),
    "does my cochlear implant matter": {"pacemaker"},
    "can my 6 year old get acupuncture for headaches": {"children"},
    "my 13 year old plays soccer and hurt her knee": {"children"},
    "is 45 years old too old to begin": set(),
    "mi hijo tiene dolor de cabeza, lo pueden atender": {"children"},
    "I'm having chemo for breast cancer": {"weak-immunity"},
    "I had a liver transplant": {"weak-immunity"},
    "do hearing aids matter": set(),
    "does epilepsy rule it out": {"epilepsy"},
    "I never had a seizure": set(),
    "there's an open wound on my leg": {"infection-at-the-site"},
    "I'm allergic to nickle": {"metal-allergy"},
    "cheap earrings give me a rash": {"metal-allergy"},
    "could I quit taking my blood pressure pills after a few sessions": {"medicines"},
    "I want to come off lexapro with acupuncture": {"medicines"},
    "should I skip my warfarin on the day": {"medicines", "blood-thinners"},
    "I'm 30 weeks along and on lovenox": {"pregnancy", "blood-thinners"},
    "how much does a session cost": set(),
}


@pytest.fixture(scope="session")
def safety() -> Safety:
    return load(OWN).safety


@pytest.mark.parametrize(("kind", "utterance"), [(kind, text) for kind, texts in URGENT.items() for text in texts])
def test_an_emergency_alarms_with_its_own_notice(own_faq: Faq, kind: str, utterance: str) -> None:
    alarm = own_faq.alarm(utterance)
    assert alarm is not None
    assert alarm.kind.id == kind


@pytest.mark.parametrize("utterance", CALM)
def test_a_look_alike_raises_no_alarm(own_faq: Faq, utterance: str) -> None:
    assert own_faq.alarm(utterance) is None


@pytest.mark.parametrize(("utterance", "cautions"), CAUTIONS.items())
def test_a_caution_is_for_who_must_take_care(own_faq: Faq, utterance: str, cautions: set[str]) -> None:
    found = own_faq.triage.cautions(utterance)
    assert {caution.id for caution in found} == cautions


def test_no_sentence_here_was_learnt_from(safety: Safety) -> None:
    records = [*safety.rules, *safety.cautions]
    learnt = {text for record in records for text in (*record.examples, *record.look_alikes)} | {*safety.harmless}
    here = {text for texts in (*URGENT.values(), CALM, CAUTIONS) for text in texts}
    assert {text.lower() for text in here} & {text.lower() for text in learnt} == set()


def test_only_medicines_stand_before_the_answer(safety: Safety) -> None:
    assert [caution.id for caution in safety.cautions if caution.before_answer] == ["medicines"]


def test_cautions_come_in_the_order_of_the_file(own_faq: Faq) -> None:
    found = own_faq.triage.cautions("epileptic, pregnant, on xarelto, can I stop my pills")
    assert [caution.id for caution in found] == ["medicines", "pregnancy", "blood-thinners", "epilepsy"]


def test_every_rule_and_caution_shows_what_it_is_for(safety: Safety) -> None:
    assert [record.id for record in (*safety.rules, *safety.cautions) if not record.examples] == []
    assert [record.id for record in (*safety.rules, *safety.cautions) if not record.look_alikes] == []


def test_notices_put_the_number_first_and_stay_short(safety: Safety) -> None:
    numbers = {"medical": "911", "crisis": "988", "poisoning": "1-800-222-1222", "needling": "911"}
    assert {notice.id for notice in safety.notices} == set(numbers)
    for notice in safety.notices:
        assert numbers[notice.id] in notice.text.partition(". ")[0].partition(", day")[0]
        assert 2 <= notice.text.count(". ") + 1 <= 4


# However it is typed.

PLAIN = st.sampled_from(
    [
        "i cant breathe",
        "my chest hurts and my arm is numb",
        "i want to kill myself",
        "my son drank some bleach",
        "she is unconscious and does not wake",
        "my throat is closing",
        "he swallowed a whole bottle of pills",
        "blood keeps spurting out of my leg",
        "my chest hurts since the needles this morning",
    ]
)


@given(PLAIN, st.sampled_from([str.upper, str.title, str.capitalize, str.swapcase]))
def test_case_changes_nothing(own_faq: Faq, plain: str, change: Callable[[str], str]) -> None:
    assert own_faq.alarm(change(plain)) == own_faq.alarm(plain)


@given(PLAIN, st.text(" \t\n\u00a0\u200b", max_size=5), st.text(" \n.!?\u2026\u200b", max_size=5))
def test_what_surrounds_the_words_changes_nothing(own_faq: Faq, plain: str, before: str, after: str) -> None:
    assert own_faq.alarm(before + plain + after) == own_faq.alarm(plain)


@given(PLAIN, st.data())
def test_a_doubled_or_stretched_letter_is_still_an_alarm(own_faq: Faq, plain: str, data: st.DataObject) -> None:
    word = data.draw(st.sampled_from([word for word in plain.split() if len(word) >= 5]))
    place = data.draw(st.integers(1, len(word) - 1))
    typed = word[:place] + word[place] * data.draw(st.integers(1, 6)) + word[place:]
    assert own_faq.alarm(plain.replace(word, typed))


@given(PLAIN, st.data())
def test_a_swapped_pair_of_letters_is_still_an_alarm(own_faq: Faq, plain: str, data: st.DataObject) -> None:
    word = data.draw(st.sampled_from([word for word in plain.split() if len(word) >= 5]))
    place = data.draw(st.integers(1, len(word) - 2))
    typed = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    assert own_faq.alarm(plain.replace(word, typed))


@given(
    PLAIN, st.sampled_from(["can acupuncture help?", "how much is a session?", "are you open today?", "is it safe?"])
)
def test_a_question_beside_an_emergency_does_not_hide_it(own_faq: Faq, plain: str, question: str) -> None:
    assert own_faq.alarm(f"{plain}. {question}")
    assert own_faq.alarm(f"{question} {plain}")


@pytest.mark.parametrize("utterance", ["i have chestpain", "breeeathing huuurts so bad", "he swalowed blech"])
def test_words_run_together_stretched_or_misspelt_are_understood(own_faq: Faq, utterance: str) -> None:
    assert own_faq.alarm(utterance)


def test_an_emergency_now_is_not_silenced_by_one_in_the_past(own_faq: Faq) -> None:
    assert own_faq.alarm("i had chest pain in 2015") is None
    assert own_faq.alarm("i had chest pain in 2015 and now my chest hurts again")
    assert own_faq.alarm("my dad had seizures as a boy, and now he is having a seizure")


@pytest.mark.parametrize("nothing", ["", " \n ,.!? ", "\u200b", "\U0001f600"])
def test_a_message_without_words_is_no_alarm(own_faq: Faq, nothing: str) -> None:
    assert own_faq.alarm(nothing) is None
    assert own_faq.triage.cautions(nothing) == ()


@given(st.text(max_size=300))
def test_any_text_is_read_and_read_twice_the_same(own_faq: Faq, text: str) -> None:
    assert own_faq.alarm(text) == own_faq.alarm(text)


LONG = [
    "chest pain " * 400,
    "i want to die " * 300,
    "my son ate pills " * 250,
    "a\n" * 2048,
    "." * 4096,
    "x" * 4096,
    "no not never if had " * 200,
    "qwrtzplkjhgfd " * 300,
    "\U0001f600" * 4096,
]


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_the_longest_message_is_read_in_time_proportional_to_its_length(own_faq: Faq, text: str) -> None:
    def seconds(utterance: str) -> float:
        began = time.process_time()
        own_faq.triage.cautions(utterance)
        own_faq.alarm(utterance)
        return time.process_time() - began

    # Another message each time: what was read a moment ago is remembered.
    longest = [f"{turn} {text}"[:4096] for turn in range(3)]
    assert min(map(seconds, longest)) < 32 * min(seconds(each[:512]) for each in longest) + 0.005


# The bicycle shop has no encoder, and the product's own dangers.


@pytest.mark.parametrize(
    ("kind", "utterance"),
    [
        ("medical", "my dad cant breathe"),
        ("medical", "her face is drooping and her speech is slurred"),
        ("crisis", "i keep thinking about killing myself"),
        ("poisoning", "my baby swallowed some bleach"),
        ("needling", "chest pain and short of breath since the needles yesterday"),
    ],
)
def test_without_an_encoder_words_alone_tell_an_emergency(faq: Faq, kind: str, utterance: str) -> None:
    assert faq.alarm(utterance).kind.id == kind


@pytest.mark.parametrize(
    "utterance", ["how deep do needles go", "this hill is killing my legs", "can i pay by card", "hello", "bye"]
)
def test_without_an_encoder_a_look_alike_raises_no_alarm(faq: Faq, utterance: str) -> None:
    assert faq.alarm(utterance) is None


# What stands in a safety.yaml, shown with a small one.

FIRE = {
    "id": "it-burns",
    "kind": "fire",
    "reason": "Fire spreads.",
    "cues": [["burning"], ["water", "boiling"]],
    "examples": ["the shop is on fire", "my bicycle is burning", "I see flames and smoke", "help, it burns"],
    "not": ["do your candles burn long", "a burning question"],
}
FLOOD = {
    "id": "it-floods",
    "kind": "flood",
    "reason": "Water rises.",
    "cues": [["water", "rising"]],
    "examples": ["the water is rising in the cellar", "the river comes in at the door", "we stand knee-deep in water"],
    "not": ["do you sell water bottles", "when is the sun rising"],
}
DIZZY = {"id": "dizziness", "text": "Sit down.", "cues": [["dizzy"]]}
CHILD = {"id": "childhood", "text": "Come along.", "cues": [["small"]]}
SMALL = {
    "notices": [{"id": "fire", "text": "Run."}, {"id": "flood", "text": "Climb."}],
    "cues": {
        "burning": ["on fire", "burning", "ablaze", {"not": "burning question"}],
        "water": ["water", "river"],
        "boiling": ["boils over"],
        "rising": ["rising", "comes in"],
        "dizzy": ["dizzy", "head spins", {"not": "dizzy heights"}],
        "small": ["1-12 years old"],
    },
    "rules": [FIRE, FLOOD],
    "harmless": ["lend me a bicycle for the weekend"],
    "cautions": [DIZZY, CHILD],
}
QUESTIONS = ["can you mend a flat tire", "what does a repair cost", "do I get a helmet", "do you adjust brakes"]


class Gate:
    """The gate of one safety.yaml, asked as a patient would."""

    def __init__(self, safety: Safety, corpus: Corpus) -> None:
        self._corpus = corpus
        self._triage = Triage(safety, QUESTIONS, corpus)
        self.wrong = self._triage.wrong

    def alarm(self, utterance: str) -> Alarm | None:
        return self._triage.alarm(utterance)

    def cautions(self, utterance: str) -> tuple[Caution, ...]:
        return self._triage.cautions(utterance)


def gate(
    changes: Mapping[str, Any], encoder: MiniLm | None = None, cache: Cache | None = None, language: str = "english"
) -> Gate:
    """Build the gate of the small safety.yaml with changes made to it."""
    safety = Safety.model_validate(SMALL | changes)
    lexicon = Lexicon(language=language, negations=("no", "not"))
    analyzer = Analyzer(lexicon, [*QUESTIONS, *phrases_of(Safety.model_validate(SMALL))])
    return Gate(safety, Corpus(QUESTIONS, (), analyzer, encoder, cache, messages=messages_of(safety)))


Build = Callable[..., Gate]


@pytest.fixture(scope="module", params=["by words alone", "with meaning"])
def encoder(request, small_model) -> MiniLm | None:
    """Every promise holds with an encoder and without."""
    return MiniLm(small_model.parent) if request.param == "with meaning" else None


@pytest.fixture
def small(encoder: MiniLm | None) -> Build:
    """Build the gate of the small safety.yaml with changes made to it."""

    def build(cache: Cache | None = None, **changes: Any) -> Gate:
        return gate(changes, encoder, cache)

    return build


def test_an_alarm_tells_its_notice_its_rule_and_the_example_it_sounds_like(small: Build) -> None:
    alarm = small().alarm("the whole barn is on fire")
    assert alarm is not None
    assert (alarm.kind.text, alarm.rule, alarm.example) == ("Run.", "it-burns", "the shop is on fire")


def test_a_first_example_alarms_though_nothing_else_is_written_yet(small: Build) -> None:
    only = {"id": "it-burns", "kind": "fire", "reason": "Fire spreads.", "examples": ["the shop is on fire"]}
    gate = small(rules=[only], harmless=[])
    assert gate.alarm("the shop is on fire")
    assert gate.alarm("do you rent bicycles") is None


@pytest.mark.parametrize("between", [". ", ", ", " - ", "\n"])
def test_other_words_around_it_hide_no_emergency(small: Build, between: str) -> None:
    said = ["lend me a bicycle for the weekend", "the shop is on fire", "what does a repair cost"]
    alarm = small().alarm(between.join(said))
    assert alarm is not None
    assert alarm.example == "the shop is on fire"


def test_words_that_are_no_cue_alarm_by_what_they_sound_like(small: Build) -> None:
    alarm = small().alarm("smoke and flames everywhere")
    assert alarm is not None
    assert alarm.rule == "it-burns"


@pytest.mark.parametrize(
    ("utterance", "alarms"),
    [
        ("rent a bicycle that is not blue but ablaze", True),
        ("rent a bicycle that is not red but blue", False),
        ("help to mend a flat tire in water that boils over", True),
        ("help, mend a flat tire, it boils over", False),
        ("help, mend a flat tire in water", False),
    ],
)
def test_all_cues_of_one_combination_make_a_weak_suspicion_an_alarm(small: Build, utterance, alarms) -> None:
    deaf = small(rules=[{**FIRE, "cues": []}, FLOOD])
    assert deaf.alarm(utterance) is None
    assert bool(small().alarm(utterance)) == alarms


def test_a_cue_alone_is_no_alarm_where_the_examples_are_calm(small: Build) -> None:
    calm = small(rules=[{**FIRE, "not": ["is the burning smell of new brakes normal"]}])
    assert calm.alarm("the burning smell of new brakes, is it normal") is None
    assert calm.alarm("the burning bicycle shop")


def test_the_questions_that_the_faq_answers_raise_no_alarm(small: Build) -> None:
    assert [question for question in (*QUESTIONS, *SMALL["harmless"]) if small().alarm(question)] == []


@pytest.mark.parametrize(
    ("utterance", "cautions"),
    [
        ("I feel dizzy", ["dizziness"]),
        ("DIZY as can be", ["dizziness"]),
        ("my head is spinning", []),
        ("I am not dizzy", []),
        ("no, not one bit dizzy", []),
        ("not that I know of, but today I feel dizzy", ["dizziness"]),
        ("not dizzy then, but later dizzy again", ["dizziness"]),
        ("I love dizzy heights", []),
        ("dizzy heights make me dizzy", ["dizziness"]),
        ("she is 1 year old", ["childhood"]),
        ("he is 12 years old and dizzy", ["dizziness", "childhood"]),
        ("he is 13 years old", []),
    ],
)
def test_a_caution_needs_its_words_and_no_negation_just_before_them(small: Build, utterance, cautions) -> None:
    assert [caution.id for caution in small().cautions(utterance)] == cautions


def test_cautions_too_can_ask_for_several_cues(small: Build) -> None:
    triage = small(cautions=[{**DIZZY, "cues": [["dizzy", "small"], ["boiling"]]}])
    assert triage.cautions("7 years old and dizzy")
    assert triage.cautions("it boils over")
    assert triage.cautions("I am dizzy") == ()


@pytest.mark.parametrize("hyphenated", ["1-800-222-1222", "2026-11-24"])
def test_a_telephone_number_or_a_date_is_heard_as_it_is_written(small: Build, hyphenated: str) -> None:
    triage = small(cues={**SMALL["cues"], "dizzy": [hyphenated]})
    assert triage.cautions(f"what about {hyphenated}?")
    assert triage.cautions(hyphenated.partition("-")[2]) == ()


def test_an_alarm_tells_the_reason_of_its_rule(small: Build) -> None:
    assert small().alarm("the shop is on fire").reason == "Fire spreads."


def test_a_cue_that_holds_no_word_hears_nothing(small: Build) -> None:
    triage = small(cues={**SMALL["cues"], "dizzy": ["?!", "woozy"]})
    assert triage.cautions("what?!") == ()
    assert triage.cautions("woozy?!")


@given(st.text(max_size=60) | st.sampled_from([*FIRE["examples"], *FLOOD["examples"]]))
def test_a_safety_yaml_without_rules_never_alarms(text: str) -> None:
    triage = gate({"rules": []})
    assert triage.alarm(text) is None
    assert [*triage.wrong()] == []


def test_a_gate_works_in_a_language_that_has_no_word_list() -> None:
    triage = gate({}, language="klingon")
    assert triage.alarm("the shop is on fire!")
    assert triage.alarm("what does a repair cost") is None


# What was learnt is kept.


def spoil(folder: Path) -> None:
    """Make all that was learnt say that nothing is ever urgent."""
    [kept] = folder.glob("triage-*.npz")
    key = kept.stem.removeprefix("triage-")
    coefficients = Cache(folder).load("triage", key)["coefficients"]
    Cache(folder).save("triage", key, {"coefficients": 0 * coefficients - 9})


def test_what_was_learnt_is_kept_and_not_learnt_again(small: Build, tmp_path: Path) -> None:
    first, again = small(Cache(tmp_path)), small(Cache(tmp_path))
    assert first.alarm("the shop is burning") == again.alarm("the shop is burning")
    spoil(tmp_path)
    assert small(Cache(tmp_path)).alarm("the shop is burning") is None


@pytest.mark.parametrize(
    "changes",
    [
        {"rules": [{**FIRE, "examples": [*FIRE["examples"], "the roof glows"]}, FLOOD]},
        {"rules": [{**FIRE, "not": []}, FLOOD]},
        {"rules": [FIRE, {**FLOOD, "kind": "fire"}]},
        {"harmless": []},
    ],
)
def test_what_was_learnt_of_other_texts_is_not_used(small: Build, tmp_path: Path, changes: dict[str, Any]) -> None:
    small(Cache(tmp_path))
    spoil(tmp_path)
    assert small(Cache(tmp_path), **changes).alarm("the shop is burning")


# What is wrong in a safety.yaml is told.


@pytest.mark.parametrize(
    ("changes", "text", "sentence"),
    [
        ({"harmless": [FIRE["examples"][0]] * 8}, FIRE["examples"][0], "the rule `it-burns` does not alarm"),
        (
            {"rules": [FIRE, {**FLOOD, "examples": [*FLOOD["examples"], FIRE["examples"][0]]}]},
            FIRE["examples"][0],
            "the rule `it-floods` shows the notice `fire`",
        ),
        (
            {"rules": [{**FIRE, "not": ["the shop is on fire"]}]},
            "the shop is on fire",
            "must not alarm, but sounds like “the shop is on fire” of the rule `it-burns`",
        ),
        (
            {"cautions": [{**DIZZY, "examples": ["I am well"]}]},
            "I am well",
            "does not call for the caution `dizziness`",
        ),
        ({"cautions": [{**DIZZY, "not": ["so dizzy"]}]}, "so dizzy", "must not call for the caution `dizziness`"),
    ],
)
def test_an_example_that_turns_out_wrong_is_told(small: Build, changes, text: str, sentence: str) -> None:
    [(told, why)] = small(**changes).wrong()
    assert told == text
    assert sentence in why


def test_a_file_whose_examples_turn_out_right_has_nothing_wrong(small: Build) -> None:
    right = {**DIZZY, "examples": ["so dizzy"], "not": ["not dizzy"]}
    assert [*small(cautions=[right, CHILD]).wrong()] == []


@pytest.mark.parametrize(
    ("utterance", "kind"),
    [
        ("can acupuncture help? worst headache of my life", "medical"),
        ("my husband just had a seizure. can acupuncture help?", "medical"),
        ("no puedo respirar. cuanto cuesta?", "medical"),
        ("send an ambulance. and where are you?", "medical"),
        ("he is choking right now, how much is a session", "medical"),
        ("Hi, my niece gave me a voucher. I want to kill myself. Do you take Blue Cross?", "crisis"),
        ("Hello! how much is a session, i want to kill myself, my number ends in 4", "crisis"),
        ("Good morning! what does it cost, dad talks gibberish all of a sudden, thank you", "medical"),
        (
            "I came in last week and it was lovely! My chest feels crushed and one arm is going numb. "
            "Could you tell me what a second visit costs, and whether Saturday would be possible?",
            "medical",
        ),
    ],
)
def test_a_question_in_another_sentence_hides_no_emergency(own_faq, utterance, kind):
    assert own_faq.alarm(utterance).kind.id == kind


@pytest.mark.parametrize(
    "utterance",
    [
        "he is having a seizure and do you take insurance",
        "my husband just had a seizure and do you take insurance",
        "hi how much is a session because my wife collapsed and can i come on monday",
        "how much is a session because my husband cannot breathe",
        "are you open today i want to kill myself",
        "what does the first visit cost mom is not waking up",
        "i took all my sleeping pills do you have parking there",
    ],
)
def test_a_question_said_in_one_breath_with_it_hides_no_emergency(own_faq, utterance):
    assert own_faq.alarm(utterance)


def test_an_emergency_at_the_end_of_a_long_story_is_noticed(own_faq):
    story = "We moved here in spring. The garden is lovely. My sister visits on Sundays. She brings cake. " * 5
    assert own_faq.alarm(f"{story} I want to kill myself.").kind.id == "crisis"


def test_an_emergency_is_noticed_without_its_accents(own_faq):
    assert own_faq.alarm("me tomé muchísimas pastillas").kind.id == "poisoning"
    assert own_faq.alarm("me tome muchisimas pastillas").kind.id == "poisoning"


@pytest.mark.parametrize(
    "utterance",
    [
        "I had a stroke. In 2015. Can I come?",
        "took 1,000 steps before breakfast, do you open at 8:30?",
        "there is a buzzing in my left ear that will not stop, would needles calm it",
        "if somebody reacts badly to a needle do you treat them or drive them somewhere",
    ],
)
def test_a_part_out_of_its_context_raises_no_alarm(own_faq, utterance):
    assert own_faq.alarm(utterance) is None

"""What sounds like an emergency must alarm; what only looks like one must not."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import faq
from faq.model import Safety
from faq.triage import SafetyError, Triage, check

SAFETY = Safety.model_validate(yaml.safe_load((Path(faq.__file__).parent / "safety.yaml").read_text("utf-8")))
TRIAGE = Triage(SAFETY, "english")

URGENT = {
    "medical": (
        "I think I'm having a heart attack",
        "my chest feels like someone is standing on it and my left arm is going numb",
        "crushing pain in my chest since about 20 minutes ago, can acupuncture help?",
        "pain in my jaw and down my arm, sweating like crazy",
        "chest is really tight and I feel sick and clammy",
        "hart attack i think help",
        "bad chest pian rn",
        "mom's face is drooping on one side and she can't talk right",
        "my husband suddenly can't move his right arm and his speech is slurred",
        "one side of my body just went numb",
        "i woke up and cant see out of my left eye all of a sudden",
        "my dad is talking gibberish and seems really confused all of a sudden",
        "I had a stroke in 2015 and now my face is drooping again",
        "i cant breath",
        "cnt breathe plz help",
        "CANT BREATHE",
        "my son is choking on a grape",
        "her lips are turning blue",
        "he's wheezing really bad and his inhaler isn't working",
        "struggling to get air in, what points should I press",
        "my throat is closing up after eating shrimp",
        "my tongue and lips are swelling up fast",
        "covered in hives and it's getting hard to breathe",
        "the cut on my hand won't stop bleeding, it's soaked through two towels",
        "blood is spurting out of his leg",
        "I just threw up blood",
        "coughing up blood this morning, is acupuncture ok today?",
        "my wife passed out and won't wake up",
        "grandpa collapsed and he is not responding",
        "there's a man unconscious outside your door",
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
        "I need an ambulance",
        "no puedo respirar",
        "me duele mucho el pecho y el brazo izquierdo",
        "mi mamá se desmayó y no despierta",
        "creo que mi papá está teniendo un derrame cerebral",
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
        "I wrote my goodbye letters tonight",
        "I can't do this anymore, I want it all to end",
        "im going to hang myself",
        "quiero matarme",
        "ya no quiero vivir",
        "can acupuncture help depression? i keep thinking about ending it all",
    ),
    "poisoning": (
        "my toddler drank bleach",
        "my son swallowed a bunch of my heart pills",
        "I took way too many Tylenol",
        "she took a whole bottle of sleeping pills",
        "mixed bleach and ammonia in the bathroom and now my eyes and throat burn",
        "my 2 year old ate the liniment from your shop",
        "I think my dog sitter's kid ate rat poison",
        "I took triple the dose of the Chinese herbs and feel really sick",
        "he overdosed",
        "mi hijo se tomó cloro",
    ),
    "needling": (
        "I had acupuncture this morning and now it hurts to breathe",
        "chest has been tight ever since the needles went in my upper back",
        "a few hours after my session I'm short of breath",
        "sharp pain in my chest after my appointment with you today",
        "got needled in the shoulder yesterday, can't take a deep breath since",
        "my friend collapsed right after her acupuncture session",
    ),
}

CALM = (
    "I had a stroke in 2015, can I still get acupuncture?",
    "when I had my heart attack last year they put in a stent, is needling ok",
    "used to get panic attacks where I couldn't breathe",
    "my father died of a heart attack",
    "could a needle puncture a lung?",
    "can acupuncture cause a stroke",
    "what if I faint during the session",
    "what happens if I bleed after the needle comes out",
    "after a heart attack, is it safe to have acupuncture?",
    "do you treat stroke survivors",
    "my back is killing me",
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
    "does acupuncture work for chronic chest wall pain",
    "is it true that people have died from acupuncture",
    "my neck is stiff from sleeping wrong",
    "can acupressure stop a nosebleed",
    "my dog was hit by a car last week so I missed my appointment",
    "how do you keep patients from passing out",
    "I'm breathless with excitement for my first visit",
    "I almost choked when I saw the bill",
    "will I bleed a lot",
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
    "is moxa smoke poisonous",
    "my wife says the needles knocked her out, best sleep ever",
    "no emergency, just wondering when you open",
    "heartburn after meals, which point do I press?",
    "I get a tight chest before exams, would acupressure calm me",
    "how many needles do you use",
    "hello",
)

CAUTIONS = {
    "i'm pregnant, is acupuncture safe": {"pregnancy"},
    "Im 20 weeks pregnent and my back hurts": {"pregnancy"},
    "my wife is expecting, can she come along": {"pregnancy"},
    "not pregnant, just checking what is safe": set(),
    "we're trying to get pregnant": set(),
    "I take Eliquis for afib": {"blood-thinners"},
    "im on warferin is that bad": {"blood-thinners"},
    "my doctor has me on a daily aspirin": {"blood-thinners"},
    "I have hemophilia": {"blood-thinners"},
    "no blood thinners, no pacemaker": set(),
    "I don't take any blood thinners": set(),
    "dad has a pacemaker": {"pacemaker"},
    "does my cochlear implant matter": {"pacemaker"},
    "can my 6 year old get acupuncture for headaches": {"children"},
    "do you treat kids": {"children"},
    "mi hijo tiene dolor de cabeza, lo pueden atender": {"children"},
    "can I bring my kids along": set(),
    "just kidding": set(),
    "I'm having chemo for breast cancer": {"weak-immunity"},
    "I had a liver transplant": {"weak-immunity"},
    "do hearing aids matter": set(),
    "I have epilepsy": {"epilepsy"},
    "no epilepsy here": set(),
    "there's an open wound on my leg": {"infection-at-the-site"},
    "I'm allergic to nickle": {"metal-allergy"},
    "cheap earrings give me a rash": {"metal-allergy"},
    "can I stop my antidepressants if I start this": {"medicines"},
    "should i skip my warfarin before coming": {"medicines", "blood-thinners"},
    "do I still need my blood pressure meds": {"medicines"},
    "I want to come off lexapro with acupuncture": {"medicines"},
    "I'm 30 weeks along and on lovenox": {"pregnancy", "blood-thinners"},
    "how much does a session cost": set(),
    "hello": set(),
}


@pytest.fixture
def triage() -> Triage:
    return TRIAGE


@pytest.mark.parametrize(("kind", "utterance"), [(kind, text) for kind, texts in URGENT.items() for text in texts])
def test_an_emergency_alarms_with_its_own_notice(triage: Triage, kind: str, utterance: str) -> None:
    alarm = triage.alarm(utterance)
    assert alarm is not None
    assert alarm.kind.id == kind
    assert alarm.rule in {rule.id for rule in SAFETY.rules}


@pytest.mark.parametrize("utterance", CALM)
def test_a_look_alike_raises_no_alarm(triage: Triage, utterance: str) -> None:
    assert triage.alarm(utterance) is None


@pytest.mark.parametrize(("utterance", "cautions"), CAUTIONS.items())
def test_a_caution_is_for_who_must_take_care(triage: Triage, utterance: str, cautions: set[str]) -> None:
    assert {caution.id for caution in triage.cautions(utterance)} == cautions


def test_only_medicines_stand_before_the_answer() -> None:
    assert [caution.id for caution in SAFETY.cautions if caution.before_answer] == ["medicines"]


def test_cautions_come_in_the_order_of_the_file(triage: Triage) -> None:
    found = [caution.id for caution in triage.cautions("epileptic, pregnant, on xarelto, can I stop my pills")]
    assert found == ["medicines", "pregnancy", "blood-thinners", "epilepsy"]


PLAIN = st.sampled_from(
    [
        "i cant breathe",
        "my chest hurts and my arm is numb",
        "i want to kill myself",
        "my toddler drank bleach",
        "she is unconscious",
        "my throat is closing",
        "no puedo respirar",
        "worst headache of my life",
    ]
)


@given(PLAIN, st.sampled_from([str.upper, str.title, str.capitalize, str.swapcase]))
def test_case_changes_nothing(plain: str, change: Callable[[str], str]) -> None:
    assert TRIAGE.alarm(change(plain)) == TRIAGE.alarm(plain)


@given(PLAIN, st.text(" \t\n\u00a0\u200b", max_size=5), st.text(" \n.!?\u2026\u200b", max_size=5))
def test_what_surrounds_the_words_changes_nothing(plain: str, before: str, after: str) -> None:
    assert TRIAGE.alarm(before + plain + after) == TRIAGE.alarm(plain)


@given(PLAIN, st.data())
def test_a_doubled_or_stretched_letter_is_still_an_alarm(plain: str, data: st.DataObject) -> None:
    word = data.draw(st.sampled_from([word for word in plain.split() if len(word) >= 5]))
    place = data.draw(st.integers(1, len(word) - 1))
    typed = word[:place] + word[place] * data.draw(st.integers(1, 6)) + word[place:]
    assert TRIAGE.alarm(plain.replace(word, typed))


@given(PLAIN, st.data())
def test_a_swapped_pair_of_letters_is_still_an_alarm(plain: str, data: st.DataObject) -> None:
    word = data.draw(st.sampled_from([word for word in plain.split() if len(word) >= 7] or ["breathe"]))
    place = data.draw(st.integers(1, len(word) - 2))
    assert TRIAGE.alarm(plain.replace(word, word[:place] + word[place + 1] + word[place] + word[place + 2 :]))


@given(PLAIN, st.sampled_from(["can acupuncture help?", "how much is a session?", "are you open today?"]))
def test_a_question_beside_an_emergency_does_not_hide_it(plain: str, question: str) -> None:
    assert TRIAGE.alarm(f"{plain}. {question}")
    assert TRIAGE.alarm(f"{question} {plain}")


@pytest.mark.parametrize(
    "utterance",
    [
        "I'd like to fill in the form from your site",
        "is there a diet to follow",
        "do you heat the room, it hurts to be cold",
        "venmo or cards?",
        "stoked for my first visit",
        "is the chest x-ray needed",
    ],
)
def test_mending_makes_no_alarm_of_innocent_words(triage: Triage, utterance: str) -> None:
    assert triage.alarm(utterance) is None


@pytest.mark.parametrize(
    "utterance", ["cantbreathe", "i have chestpain", "my dad's face is drooping", "breeeathing huuurts so bad"]
)
def test_words_run_together_or_stretched_are_understood(triage: Triage, utterance: str) -> None:
    assert triage.alarm(utterance)


def test_now_in_one_clause_is_not_silenced_by_the_past_in_another(triage: Triage) -> None:
    assert triage.alarm("i had chest pain in 2015") is None
    assert triage.alarm("i had chest pain in 2015 and now my chest hurts again")
    assert triage.alarm("my dad had seizures as a boy, and now he is having a seizure")


def test_an_empty_message_is_no_alarm(triage: Triage) -> None:
    assert triage.alarm("") is None
    assert triage.alarm(" \n ,.!? ") is None
    assert triage.cautions("") == ()


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    TRIAGE.alarm(text)
    TRIAGE.cautions(text)


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
def test_the_longest_message_is_read_in_time_proportional_to_its_length(triage: Triage, text: str) -> None:
    def seconds(utterance: str) -> float:
        began = time.perf_counter()
        triage.alarm(utterance)
        return time.perf_counter() - began

    longest = text[:4096]
    assert min(seconds(longest) for _ in range(3)) < 32 * min(seconds(longest[:512]) for _ in range(3)) + 0.005


def test_the_clinics_own_rules_have_no_problem() -> None:
    assert check(SAFETY, "english") == []


def test_every_rule_shows_what_it_is_for() -> None:
    assert all(rule.examples and rule.look_alikes for rule in SAFETY.rules)
    assert all(caution.examples and caution.look_alikes for caution in SAFETY.cautions)


def test_notices_put_the_number_first_and_stay_short() -> None:
    numbers = {"medical": "{emergency}", "crisis": "{crisis}", "poisoning": "{poison}", "needling": "{emergency}"}
    assert {notice.id for notice in SAFETY.notices} == set(numbers)
    for notice in SAFETY.notices:
        assert numbers[notice.id] in notice.text.partition(".")[0] + notice.text.partition(",")[0]
        assert 2 <= notice.text.count(". ") + 1 <= 4


def small(**changes: Any) -> Safety:
    """Return a safety file of one rule and one caution, with the changes made."""
    safety: dict[str, Any] = {
        "notices": [{"id": "medical", "text": "Call."}],
        "reading": {"ends": ".", "commas": ",", "fillers": ["really"], "spellings": {"hlp": "help"}},
        "words": {"who": ["i", "dad"], "part": ["arm", {"not": "arm wrestling"}]},
        "signs": {"pain": ["<part> ... hurts", "help"], "faint": ["<who> faint"]},
        "silencers": [{"id": "denied", "reason": "No.", "reach": "after", "words": 3, "phrases": ["no"]}],
        "rules": [{"id": "arm", "kind": "medical", "reason": "Pain.", "signs": ["pain"], "examples": ["arm hurts"]}],
        "cautions": [{"id": "fainting", "text": "Sit.", "phrases": ["faint"], "silenced_by": ["denied"]}],
    }
    return Safety.model_validate({**safety, **changes})


RULE = {"id": "arm", "kind": "medical", "reason": "Pain.", "signs": ["pain"]}
CAUTION = {"id": "fainting", "text": "Sit.", "phrases": ["faint"]}


def test_a_small_file_works_in_a_language_without_word_list() -> None:
    triage = Triage(small(), "klingon")
    assert triage.alarm("My arm, it really hurts")
    assert triage.alarm("hlp")
    assert triage.alarm("arm wrestling hurts") is None
    assert triage.alarm("no arm hurts") is None
    assert check(small(), "klingon") == []


def test_two_signs_can_be_asked_for() -> None:
    triage = Triage(small(rules=[{**RULE, "signs": ["pain", "faint"], "at_least": 2}]), "english")
    assert triage.alarm("my arm hurts and i faint")
    assert triage.alarm("my arm hurts") is None
    assert triage.alarm("help, help") is None
    assert triage.alarm("no i faint. help") is None


def test_a_silencer_can_reach_back_around_or_only_what_it_covers() -> None:
    def alarm(reach: str, utterance: str, **more: Any) -> bool:
        silencer = {"id": "hush", "reason": "Old.", "reach": reach, "phrases": ["old", "arm hurts bad"], **more}
        return Triage(small(silencers=[silencer], cautions=[]), "english").alarm(utterance) is not None

    assert not alarm("before", "arm hurts old")
    assert alarm("before", "old arm hurts")
    assert alarm("before", "arm hurts. old")
    assert not alarm("around", "old arm hurts")
    assert not alarm("around", "arm hurts old")
    assert alarm("around", "old man dad arm hurts", until=["who"])
    assert alarm("after", "old arm hurts dad", unless=["who"])
    assert alarm("here", "old arm hurts")
    assert not alarm("here", "arm hurts bad")


def test_a_rule_may_disregard_a_silencer() -> None:
    assert Triage(small(rules=[{**RULE, "despite": ["denied"]}]), "english").alarm("no arm hurts")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rules": [{**RULE, "examples": ["my leg hurts"]}]}, "rule 'arm': its example 'my leg hurts' does not alarm"),
        ({"rules": [{**RULE, "not": ["my arm hurts"]}]}, "rule 'arm': 'my arm hurts' must not alarm, but rule 'arm'"),
        ({"cautions": [{**CAUTION, "examples": ["hi"]}]}, "caution 'fainting': its example 'hi' does not call for it"),
        ({"cautions": [{**CAUTION, "not": ["faint"]}]}, "caution 'fainting': 'faint' must not call for it, but does"),
        ({"rules": [RULE, RULE]}, "rule 'arm' stands twice"),
        ({"words": {"who": ["i"], "part": ["arm"], "pain": ["ow"]}}, "'pain' is a list of words and of signs"),
        ({"words": {"who": ["<whom>"], "part": ["arm"]}}, "'who': there is no list 'whom'"),
        ({"words": {"who": ["<part>"], "part": ["<who>"]}}, "use each other in a circle"),
        ({"words": {"who": ["?!"], "part": ["arm"]}}, "'who': '?!' holds no word"),
        ({"words": {"who": ["really i"], "part": ["arm"]}}, "'really i' holds 'really', a filler"),
        ({"rules": [{**RULE, "signs": ["ache"]}]}, "'rule arm': there is no list 'ache'"),
        ({"rules": [{**RULE, "kind": "panic"}]}, "'rule arm': there is no notice 'panic'"),
        ({"rules": [{**RULE, "despite": ["past"]}]}, "'rule arm': there is no silencer 'past'"),
        ({"cautions": [{**CAUTION, "silenced_by": ["past"]}]}, "'caution fainting': there is no silencer 'past'"),
    ],
)
def test_the_linter_tells_what_is_wrong(changes: dict[str, Any], problem: str) -> None:
    problems = check(small(**changes), "english")
    assert [found for found in problems if problem in found]


def test_rules_with_a_mistake_in_their_names_are_not_run() -> None:
    with pytest.raises(SafetyError, match="there is no list 'ache'"):
        Triage(small(rules=[{**RULE, "signs": ["ache"]}]), "english")

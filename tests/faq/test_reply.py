"""The bot answers what it surely knows, offers what it may know, and admits what it doesn't."""

from collections.abc import Callable
from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.loading import load
from faq.model import Content
from faq.reply import Answer, Clarify, Fallback, Faq, Smalltalk, Thresholds, Urgent

ANSWERS = """\
topics:
  - {id: repairs, title: Repairs}
  - {id: rent, title: Renting}
entries:
  - {id: flat-tire, topic: repairs, question: Can you mend a flat tire?, answer: Yes., phrasings: [puncture repair]}
  - {id: brakes, topic: repairs, question: Do you adjust brakes?, answer: Yes., phrasings: [my brakes squeal]}
  - {id: rental, topic: rent, question: Can I rent a bicycle?, answer: Yes., phrasings: [hire a bike, bicycle to lend]}
  - {id: helmets, topic: rent, question: Do I get a helmet?, answer: Yes., phrasings: [head protection]}
"""
BACKGROUND = "any: [what is the weather, tell me a joke, do you sell pizza, my cat is ill, who won the match]"
LEXICON = """\
language: english
stopwords: [a, do, i, you, can, my]
smalltalk: {greeting: [hello, hi], thanks: [thanks, thank you]}
"""
SAFETY = """\
notices: [{id: fire, text: Call the fire brigade.}]
cues: {burning: [on fire, burning], child: [my child], battery: [broken battery]}
rules:
  - {id: it-burns, kind: fire, reason: Fire spreads., cues: [[burning]], not: [we close],
     examples: [we are on fire, my bicycle is burning, help, "smoke and flames, it burns"]}
cautions:
  - {id: children, text: Children need a smaller one., cues: [[child]]}
  - {id: battery, text: Don't charge a broken battery., cues: [[battery]], before_answer: true}
applies_to: [rental]
see: helmets
"""
# Between these two, a reply is never chosen by its score.
ALWAYS, NEVER = 0.0, 2.0


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> Content:
    folder = tmp_path_factory.mktemp("shop")
    for name, text in {"answers": ANSWERS, "background": BACKGROUND, "lexicon": LEXICON, "safety": SAFETY}.items():
        (folder / f"{name}.yaml").write_text(text)
    return load(folder)


@pytest.fixture(scope="module")
def shop(content) -> Faq:
    return Faq(content)


@pytest.fixture
def with_thresholds(content) -> Callable[..., Faq]:
    return lambda **least: Faq(content, thresholds=Thresholds(**least))


def test_what_is_surely_meant_is_answered(shop):
    reply = shop.reply("can u mend my flat tyre??")
    assert isinstance(reply, Answer)
    assert (reply.kind, reply.entry) == ("answer", shop.entries["flat-tire"])


def test_what_no_entry_answers_is_admitted(shop):
    assert shop.reply("do you sell pizza with ham").kind == "fallback"


def test_an_answer_needs_its_threshold_and_not_more(shop, with_thresholds):
    best = shop.reply("flat bicycle").ranking.candidates[0]
    answered = with_thresholds(answer=best.score).reply("flat bicycle")
    assert isinstance(answered, Answer)
    assert answered.entry == best.entry
    assert not isinstance(with_thresholds(answer=nextafter(best.score, 1)).reply("flat bicycle"), Answer)


def test_three_entries_are_offered_once_they_are_jointly_likely_enough(shop, with_thresholds):
    vague = "flat hire head"
    first = shop.reply(vague).ranking.candidates[:3]
    joint = sum(candidate.score for candidate in first)
    offer = with_thresholds(answer=NEVER, clarify=joint).reply(vague)
    assert isinstance(offer, Clarify)
    assert offer.entries == tuple(candidate.entry for candidate in first)
    assert isinstance(with_thresholds(answer=NEVER, clarify=nextafter(joint, 2)).reply(vague), Fallback)


def test_two_entries_are_offered_if_a_third_is_hardly_likely(with_thresholds):
    offer = with_thresholds(answer=NEVER, clarify=ALWAYS).reply("bicycle tire helmet")
    assert [entry.id for entry in offer.entries] == ["rental", "helmets"]


def test_a_fallback_names_the_topic_once_its_entries_are_jointly_likely_enough(shop, with_thresholds):
    scores = {each.entry.id: each.score for each in shop.reply("flat bicycle").ranking.candidates}
    likeliest = max(scores["flat-tire"] + scores["brakes"], scores["rental"] + scores["helmets"])
    named = with_thresholds(answer=NEVER, clarify=NEVER, topic=likeliest - 1e-9).reply("flat bicycle")
    assert named.topic in shop.topics.values()
    unnamed = with_thresholds(answer=NEVER, clarify=NEVER, topic=likeliest + 1e-9).reply("flat bicycle")
    assert (unnamed.kind, unnamed.topic) == ("fallback", None)


@pytest.mark.parametrize("utterance", ["", " \n", "???", "😀🎉", "\u200d\u202e", "\x00", "—", "\ud800"])
def test_who_writes_no_words_is_told_what_the_bot_can_do(shop, utterance):
    reply = shop.reply(utterance)
    assert isinstance(reply, Smalltalk)
    assert reply.about == "abilities"


@pytest.mark.parametrize(
    ("utterance", "about"),
    [
        ("hello", "greeting"),
        ("HIII!!", "greeting"),
        ("good morning :)", "greeting"),
        ("thank you so much", "thanks"),
        ("thx 🙏", "thanks"),
        ("bye bye", "goodbye"),
        ("what can you do?", "abilities"),
        ("are you a robot", "abilities"),
        ("who gets to read this chat?", "privacy"),
        ("ok", "acknowledgement"),
    ],
)
def test_small_talk_is_answered_in_kind(own_faq, utterance, about):
    reply = own_faq.reply(utterance)
    assert isinstance(reply, Smalltalk)
    assert reply.about == about


def test_whoever_greets_and_goes_on_is_not_merely_greeted(with_thresholds):
    faq = with_thresholds(answer=ALWAYS)
    assert faq.reply("hello").kind == "smalltalk"
    assert faq.reply("hello " * 12).kind == "smalltalk"
    assert faq.reply("hello " * 13).kind != "smalltalk"


def test_an_emergency_comes_before_everything_else(shop):
    for utterance in ("the shop is burning", "hello, my child is on fire", "do you mend flat tires? mine is burning"):
        reply = shop.reply(utterance)
        assert isinstance(reply, Urgent)
        assert (reply.kind, reply.alarm.kind.id, reply.alarm.rule, reply.cautions) == ("urgent", "fire", "it-burns", ())


def test_whoever_says_that_it_is_no_emergency_gets_the_answer(shop):
    reply = shop.reply("can you mend a flat tire that is burning", calm=True)
    assert isinstance(reply, Answer)
    assert reply.entry.id == "flat-tire"


def test_two_sure_questions_in_one_message_are_both_answered(shop):
    reply = shop.reply("Can I rent a bicycle? Do I get a helmet? And do you sell pizza?")
    assert isinstance(reply, Answer)
    assert (reply.entry.id, reply.also.id) == ("rental", "helmets")


def test_of_two_questions_the_one_that_has_an_answer_is_offered(with_thresholds):
    reply = with_thresholds(clarify=NEVER).reply("do you sell pizza with ham? Do I get a helmet?")
    assert isinstance(reply, Clarify)
    assert [entry.id for entry in reply.entries] == ["helmets"]


@pytest.mark.parametrize(
    "utterance", ["Can I rent a bicycle? hire a bike?", "Can I rent a bicycle? Thanks, Pat", "?? a"]
)
def test_one_question_asked_twice_or_with_something_beside_it_is_one_question(shop, utterance):
    assert getattr(shop.reply(utterance), "also", None) is None


def test_a_follow_up_is_understood_with_the_question_it_replies_to(with_thresholds):
    faq = with_thresholds(answer=NEVER, clarify=NEVER, topic=1e-9)
    about = faq.entries["rental"]
    reply = faq.reply("and for my head?", about=about)
    assert isinstance(reply, Clarify)
    assert [entry.id for entry in reply.entries][::2] == ["helmets", "rental"]
    assert len(reply.entries) == 3


def test_a_sure_question_is_answered_whatever_it_replies_to(shop):
    reply = shop.reply("my brakes squeal", about=shop.entries["rental"])
    assert isinstance(reply, Answer)
    assert reply.entry.id == "brakes"


def test_what_has_nothing_to_do_with_what_it_replies_to_is_still_admitted(with_thresholds):
    faq = with_thresholds(topic=NEVER)
    assert isinstance(faq.reply("who won the match", about=faq.entries["rental"]), Fallback)


@pytest.mark.parametrize(
    ("utterance", "cautions"),
    [
        ("can I rent a bicycle for my child", ["children"]),
        ("can you mend a flat tire for my child", []),
        ("broken battery, do you adjust brakes", ["battery"]),
        ("can I rent a bicycle with a broken battery for my child", ["children", "battery"]),
        ("what is the weather, my child", []),
    ],
)
def test_a_caution_is_said_where_treatment_is_spoken_of_or_always_if_it_comes_first(shop, utterance, cautions):
    assert [caution.id for caution in shop.reply(utterance).cautions] == cautions


def test_an_offer_carries_the_cautions_of_what_it_offers(with_thresholds):
    reply = with_thresholds(answer=NEVER, clarify=ALWAYS).reply("rent a bicycle for my child")
    assert isinstance(reply, Clarify)
    assert [caution.id for caution in reply.cautions] == ["children"]


def test_a_topic_that_is_named_carries_the_cautions_of_what_it_holds(with_thresholds):
    faq = with_thresholds(answer=NEVER, clarify=NEVER, topic=1e-9)
    reply = faq.reply("rent a bicycle for my child")
    assert isinstance(reply, Fallback)
    assert reply.topic
    assert [caution.id for caution in reply.cautions] == ["children"]


def test_a_follow_up_is_cautioned_for_its_own_words_and_not_for_the_question_it_replies_to(with_thresholds):
    faq = with_thresholds(answer=NEVER, clarify=NEVER, topic=1e-9)
    about = faq.entries["rental"].model_copy(update={"question": "Can I rent a bicycle for my child?"})
    assert faq.reply("and for my head?", about=about).cautions == ()
    assert [caution.id for caution in faq.reply("and for my child?", about=about).cautions] == ["children"]


def test_a_caution_leads_to_the_entry_that_tells_more_unless_it_stands_there(shop, content):
    helmets = shop.entries["helmets"]
    assert shop.cautioning(shop.entries["rental"]) == helmets
    assert shop.cautioning(helmets) is None
    unseeing = content.model_copy(update={"safety": content.safety.model_copy(update={"see": None})})
    assert Faq(unseeing).cautioning(helmets) is None


def test_entries_are_found_by_id_and_stand_under_their_topic_in_the_files_order(shop):
    assert shop.entry("brakes").question == "Do you adjust brakes?"
    assert shop.entry("no-such-entry") is None
    assert [entry.id for entry in shop.entries_of(shop.topics["rent"])] == ["rental", "helmets"]


# The product's own FAQ.


def decision(faq: Faq, utterance: str) -> tuple[str, str | None]:
    reply = faq.reply(utterance)
    return reply.kind, reply.entry.id if isinstance(reply, Answer) else None


def test_every_seventh_phrasing_of_the_own_faq_gets_its_answer(own_faq):
    phrasings = [(text, entry.id) for entry in own_faq.entries.values() for text in (entry.question, *entry.phrasings)]
    answered = [decision(own_faq, text) == ("answer", entry_id) for text, entry_id in phrasings[::7]]
    assert sum(answered) >= 0.98 * len(answered)


@given(st.data())
def test_case_spaces_and_a_final_question_mark_change_nothing(own_faq, data):
    entry = data.draw(st.sampled_from([*own_faq.entries.values()]))
    phrasing = data.draw(st.sampled_from([entry.question, *entry.phrasings]))
    change = data.draw(st.sampled_from([str.upper, str.lower, str.title, "  {}\n".format, "{}?".format, "{} ?".format]))
    assert decision(own_faq, change(phrasing)) == decision(own_faq, phrasing)


@given(st.text(max_size=4096))
def test_any_text_at_all_gets_a_reply(own_faq, utterance):
    assert own_faq.reply(utterance).kind in ("answer", "clarify", "fallback", "urgent", "smalltalk")
    assert decision(own_faq, utterance) == decision(own_faq, utterance)

"""What many tests share: a small FAQ of a bicycle shop, the product's own FAQ, and conversations with both."""

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from fcntl import LOCK_EX, flock
from os.path import getmtime
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

from bot.content import load_faq
from bot.encoder import cache_folder
from bot.handlers import Handlers
from bot.markdown import refusal
from bot.offline import open_conversation
from faq.cache import Cache
from faq.embedding import MiniLm
from faq.loading import Refusal, load
from faq.reply import Faq
from tests import postgres as postgresql

# A busy machine may take ten times as long as an idle one over an example. What fifty examples do not show, the next
# run's other fifty may: failures are kept, and replayed first.
settings.register_profile("unhurried", deadline=2000, max_examples=50)
settings.load_profile("unhurried")

BICYCLES = """\
clinic:
  name: Spokes
  contact: https://spokes.example/contact
topics:
  - {id: repairs, title: Repairs}
  - {id: rent, title: Renting}
sources:
  manual: {title: The manual, address: "https://manual.example/?a=1&b=2"}
  word-of-mouth: {title: Word of mouth}
entries:
  - id: flat-tire
    topic: repairs
    question: Can you mend a flat tire?
    answer: |
      Yes, we mend a **flat tire** while you wait.

      - bring the wheel
      - or the whole bicycle
    phrasings: [my tire is flat, puncture repair, there is a nail in my wheel, the tube loses air]
    sources: [manual, word-of-mouth]
    reviewed: 2026-11-24
    related: [brakes, price-of-repairs]
  - id: brakes
    topic: repairs
    question: Do you adjust brakes?
    answer: Yes, brakes are adjusted within a day.
    phrasings: [my brakes squeal, the brake is loose, it does not stop any more, brake pads]
    reviewed: 2026-11-01
  - id: price-of-repairs
    topic: repairs
    question: What does a repair cost?
    answer: I don't know the prices; the shop does.
    phrasings: [how much is a repair, repair prices, is mending expensive, what do I pay]
    handoff: true
  - id: rent-a-bicycle
    topic: rent
    question: Can I rent a bicycle?
    answer: Yes, for a day or a week.
    phrasings: [bicycle rental, hire a bike, lend me a bike for the weekend, bikes to borrow]
  - id: helmets
    topic: rent
    question: Do I get a helmet?
    answer: A helmet comes with each rented bicycle.
    phrasings: [are helmets included, head protection, must I bring my own helmet, helmet size]
"""


@pytest.fixture(scope="session")
def bicycles(tmp_path_factory) -> Path:
    """The folder of a small FAQ, which falls back to the product's own for all but its answers."""
    folder = tmp_path_factory.mktemp("bicycles")
    (folder / "answers.yaml").write_text(BICYCLES)
    return folder


USERS_CACHE = cache_folder()


@pytest.fixture(scope="session")
def cache_home(pytestconfig) -> Path:
    """The user's cache folder for the tests: what is learnt is kept from one run to the next."""
    return Path(pytestconfig.cache.mkdir("clinic-faq"))


@pytest.fixture(scope="session")
def small_model(cache_home, one_at_a_time) -> Path:
    """The quantized model; where the bot has run before, it is taken from there with what was learnt of the own FAQ."""
    folder = cache_home / "clinic-faq"
    with one_at_a_time("model"):
        folder.mkdir(exist_ok=True)
        for costly in (f"{MiniLm.name}.onnx", f"vectors-{MiniLm.name}.npz", "index-*", "ranking-*", "triage-*"):
            for kept in sorted(USERS_CACHE.glob(costly), key=getmtime)[-1:]:
                if not (folder / kept.name).exists():
                    copy(kept, folder)
        MiniLm(folder)
    return folder / f"{MiniLm.name}.onnx"


@pytest.fixture(scope="session")
def one_at_a_time(cache_home) -> Callable[[str], AbstractContextManager[None]]:
    """Let one worker learn something that all need: the others wait, and find it in the cache."""

    @contextmanager
    def alone(what: str) -> Iterator[None]:
        with (cache_home / f"{what}.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            yield

    return alone


@contextmanager
def unmeasured() -> Iterator[None]:
    """Leave what is done out of the coverage, which would take two or three times as long.

    Coverage's own stop() does not do it: in a worker of pytest-xdist, pytest-cov has begun to measure twice.
    """
    measuring = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(measuring)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Leave out properties, the product's own FAQ, and what is marked: they run through what small tests cover."""
    is_large = isinstance(item, pytest.Function) and (is_hypothesis_test(item.obj) or "own_faq" in item.fixturenames)
    with unmeasured() if is_large or item.get_closest_marker("unmeasured") else nullcontext():
        return (yield)


@pytest.fixture(scope="session")
def faq(bicycles, cache_home, one_at_a_time) -> Faq:
    """The small FAQ, matched by words alone."""
    with one_at_a_time("bicycles"), unmeasured():
        return Faq(load(bicycles, refusal), cache=Cache(cache_home / "clinic-faq"))


@pytest.fixture
def faq_of(tmp_path) -> Callable[..., Faq]:
    """Make the FAQ of any answers.yaml, quickly: it knows of no danger, and hardly what it does not answer."""

    def build(answers: str, check: Refusal = refusal, **options: Any) -> Faq:
        (tmp_path / "answers.yaml").write_text(answers)
        (tmp_path / "background.yaml").write_text("weather: [will it rain tomorrow]\n")
        (tmp_path / "safety.yaml").write_text("notices: []\n")
        return Faq(load(tmp_path, check), **options)

    return build


@pytest.fixture(scope="session")
def own_faq(cache_home, small_model, one_at_a_time) -> Faq:
    """The product's own FAQ, as it runs."""
    os.environ["XDG_CACHE_HOME"] = str(cache_home)
    with one_at_a_time("own"), unmeasured():
        return load_faq(Path(__file__).parent.parent / "faq")


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Postgres]:
    """A real PostgreSQL, started for the tests."""
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL's initdb is not installed. On Debian and Ubuntu: apt install postgresql")
    with postgresql.running() as server:
        yield server


@pytest.fixture
async def conversation(faq):
    """A patient's conversation with the bot of the bicycle shop."""
    async with open_conversation(Handlers(faq)) as conversation:
        yield conversation


@pytest.fixture
def say(conversation):
    """Say something to the bot of the bicycle shop; what it sends comes back."""
    return conversation.say


FIRE = """\
notices: [{id: fire, text: Run.}]
cues: {burning: [on fire]}
rules:
  - {id: it-burns, kind: fire, reason: Fire spreads., cues: [[burning]], examples: [we are on fire], not: [we close]}
"""


@pytest.fixture
def shop(tmp_path) -> Path:
    """The bicycle shop's FAQ with one danger, for a test to change, and with little else: a bot starts quickly."""
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "answers.yaml").write_text(BICYCLES)
    (shop / "background.yaml").write_text("any: [what is the weather, tell me a joke, do you sell pizza]\n")
    (shop / "safety.yaml").write_text(FIRE)
    return shop

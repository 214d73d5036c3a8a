"""The webhook and the other routes, served for real: a patient, Telegram on loopback, the bot, and strangers."""

import asyncio
import json
import logging
import random
import socket
import time
from collections import Counter
from contextlib import asynccontextmanager
from io import BytesIO
from itertools import chain

import pytest
from aiohttp import ClientError, ClientSession
from prometheus_client.parser import text_string_to_metric_families

from bot.app import build_application, build_bot
from bot.errors import UserError
from bot.handlers import Handlers
from bot.health import Check, Hearing
from bot.intake import Intake
from bot.ledger import Claim, Memory
from bot.metrics import Metrics
from bot.offline import Json
from bot.sending import Sender
from bot.waiting import Waits, cancel
from bot.web import LONGEST_BODY, Web, listen, serving
from bot.webhook import Webhook, endpoint, usual_secret
from tests.noise import NO_ANSWER, Noise
from tests.telegram_server import TelegramServer, hang, says, status, until

SECRET = "only-Telegram-knows_1"  # noqa: S105  # it opens nothing
HEADER = "X-Telegram-Bot-Api-Secret-Token"
QUICK = Waits(first=0.002, longest=0.02)


class Bot:
    """The bot behind its routes, put together as `run` does it."""

    def __init__(self, server: TelegramServer, faq, ledger: Memory | None = None, **webhook) -> None:
        self.server = server
        self.metrics = Metrics()
        self.handlers = Handlers(faq, recorder=self.metrics)
        self.hearing = Hearing()
        bot = build_bot(server.token, server.url, sender=Sender(QUICK, attempt=0.5))
        self.intake = Intake(build_application(bot, self.handlers), self.metrics, ledger)
        self.listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        age = self.metrics.age_of_last_update
        options = {"waits": QUICK, "look_every": 0.02, **webhook}
        self.webhook = Webhook(self.intake, self.url, SECRET, self.hearing, age, **options)
        self.probes = {"updates": self.webhook.check}
        self.faq = lambda: self.handlers.faq
        self.visits: list[str] = []
        self.stop = asyncio.Event()

    @asynccontextmanager
    async def running(self, *, with_webhook: bool = True, last_answers: int = 5, **times: float):
        """Run from here to the end of the block, and stop cleanly."""
        webhook = with_webhook and self.webhook
        faq, count_visit = lambda: self.faq(), self.visits.append
        web = Web(faq, self.metrics, self.probes, self.intake, webhook, count_visit, **times)
        receiving = asyncio.create_task(self.webhook.run(self.stop))
        try:
            async with ClientSession() as self.strangers, serving(web.app(), self.listener, last_answers):
                yield self
                self.stop.set()
                await receiving
        finally:
            await cancel(receiving)
            await self.intake.close()

    async def bring(self, body: Json | bytes, **headers: str) -> int:
        """Bring an update as Telegram does; return the status."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {HEADER: SECRET, **headers}
        async with self.strangers.post(self.webhook.url, data=BytesIO(content), headers=headers) as response:
            assert await response.read() == b""
            return response.status

    async def get(self, path: str, method: str = "GET", **options):
        """Ask for a path; return status, headers and text."""
        async with self.strangers.request(method, self.url + path, allow_redirects=False, **options) as response:
            return response.status, response.headers, await response.text()

    async def figure(self, name: str, **labels: str) -> float | None:
        """Return a figure as Prometheus would read it."""
        _, _, text = await self.get("/metrics")
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"clinic_faq_{name}" and labels.items() <= sample.labels.items():
                    return sample.value
        return None


@pytest.fixture
async def server():
    async with TelegramServer() as server:
        yield server


@pytest.fixture
async def bot(server, faq):
    async with Bot(server, faq).running() as bot:
        await until(lambda: bot.hearing._is_heard)
        yield bot


# --- conversations ---------------------------------------------------------------------------------------------------


async def test_a_conversation_is_held_over_the_webhook(bot, server):
    assert await bot.bring(server.write("/start")) == 200
    assert await bot.bring(server.write("my tire is flat")) == 200
    assert await bot.bring(server.press("e:brakes", server.telegram.sent[-1])) == 200
    assert server.answers()[1].startswith("Can you mend a flat tire?")
    assert server.answers()[2].startswith("Do you adjust brakes?")
    assert server.telegram.unanswered_presses() == 0


async def test_telegram_is_told_where_to_bring_what_and_by_which_secret(bot, server):
    asked = next(parameters for method, parameters in server.calls if method == "setWebhook")
    assert asked["url"] == f"{bot.url}/telegram"
    assert asked["secret_token"] == SECRET
    assert json.loads(asked["allowed_updates"]) == ["message", "edited_message", "callback_query"]
    assert asked["max_connections"] == "40"
    assert asked.get("drop_pending_updates", "false") == "false"


@pytest.mark.parametrize(
    "url",
    [
        "https://clinic.example",
        "https://clinic.example/",
        "https://clinic.example/telegram",
        "https://clinic.example/telegram/",
    ],
)
def test_the_last_part_of_the_address_may_be_left_out(url):
    assert endpoint(url) == "https://clinic.example/telegram"
    assert endpoint("https://clinic.example/bots/faq/") == "https://clinic.example/bots/faq/telegram"


def test_every_process_with_the_same_token_makes_the_same_secret():
    assert usual_secret("1:a") == usual_secret("1:a") != usual_secret("1:b")
    assert len(usual_secret("1:a")) == 64


async def test_200_is_said_only_after_the_answer_was_taken(bot, server):
    server.order("sendMessage", status(429, retry_after=0.1), times=2)
    bringing = asyncio.create_task(bot.bring(server.write("my tire is flat")))
    await until(lambda: server.count("sendMessage") == 2)
    assert not bringing.done()
    assert server.answers() == []
    assert await bringing == 200
    assert len(server.answers()) == 1


async def test_the_same_update_is_answered_once_however_often_it_comes(bot, server):
    update = server.write("my tire is flat")
    server.order("sendMessage", status(429, retry_after=0.05))
    assert await asyncio.gather(*(bot.bring(update) for _ in range(5))) == [200] * 5
    assert await bot.bring(update) == 200
    assert len(server.answers()) == 1
    assert await bot.figure("updates_seen_twice_total") == 5


async def test_a_connection_that_breaks_does_not_stop_the_answer(bot, server):
    server.order("sendMessage", status(429, retry_after=0.05))
    update = server.write("my tire is flat")
    bringing = asyncio.create_task(bot.bring(update))
    await until(lambda: server.count("sendMessage"))
    await cancel(bringing)
    assert await bot.bring(update) == 200
    assert len(server.answers()) == 1


async def test_a_chat_is_answered_in_order_and_a_slow_one_holds_up_no_other(bot, server):
    server.order("sendMessage", hang)
    slow = [asyncio.create_task(bot.bring(server.write("my tire is flat", chat_id=1)))]
    await until(lambda: server.count("sendMessage"))
    for text in ("helmets?", "my brakes squeal"):
        began = time.monotonic()
        slow.append(asyncio.create_task(bot.bring(server.write(text, chat_id=1))))
        await until(lambda began=began: bot.metrics.age_of_last_update() < time.monotonic() - began)
    for number in range(2, 5):
        assert await bot.bring(server.write("helmets?", chat_id=number)) == 200
    assert server.answers(chat_id=1) == []
    assert await asyncio.gather(*slow) == [200] * 3
    questions = [answer.partition("\n")[0] for answer in server.answers(chat_id=1)]
    assert questions == ["Can you mend a flat tire?", "Do I get a helmet?", "Do you adjust brakes?"]


async def test_an_update_that_cannot_be_read_does_not_come_for_ever(bot, server, caplog):
    caplog.set_level(logging.DEBUG, "bot")
    assert await bot.bring({"update_id": 5, "message": {"message_id": 1, "text": "my secret"}}) == 200
    assert "failed update=5 error=KeyError" in caplog.text
    assert await bot.figure("errors_total", kind="KeyError") == 1


async def test_an_update_of_an_unknown_kind_is_taken(bot):
    assert await bot.bring({"update_id": 5, "a_kind_of_the_future": {}}) == 200


class Ledger(Memory):
    """A ledger that fails, hangs or is busy when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Exception | Claim | None = None
        self.released: list[int] = []

    async def claim(self, update_id: int) -> Claim:
        if isinstance(self.trouble, Exception):
            raise self.trouble
        return self.trouble or await super().claim(update_id)

    def release(self, update_id: int) -> None:
        self.released.append(update_id)


async def test_a_ledger_that_is_gone_costs_no_answer(server, faq):
    ledger = Ledger()
    async with Bot(server, faq, ledger).running() as bot:
        ledger.trouble = ConnectionError()
        assert await bot.bring(server.write("my tire is flat")) == 200
        assert len(server.answers()) == 1
        assert await bot.figure("errors_total", kind="ConnectionError") == 1


async def test_what_another_process_handled_is_not_answered_again(server, faq):
    ledger = Ledger()
    async with Bot(server, faq, ledger).running() as bot:
        update = server.write("my tire is flat")
        ledger.done(update["update_id"])
        assert await bot.bring(update) == 200
        assert server.answers() == []


async def test_what_another_process_has_in_hand_is_to_be_brought_again(server, faq):
    ledger = Ledger()
    async with Bot(server, faq, ledger).running() as bot:
        ledger.trouble = Claim.BUSY
        update = server.write("my tire is flat")
        assert await bot.bring(update) == 409
        ledger.trouble = None
        assert await bot.bring(update) == 200
        assert len(server.answers()) == 1


async def test_a_memory_forgets_the_oldest_and_tells_of_each():
    noted: list[int] = []
    memory = Memory(handled=[0, 1], note=noted.append, remembered=2)
    for number in (2, 3):
        memory.done(number)
        memory.release(number)
    claims = [await memory.claim(number) for number in range(4)]
    assert claims == [Claim.MINE, Claim.MINE, Claim.DONE, Claim.DONE]
    assert noted == [2, 3]


# --- refusals --------------------------------------------------------------------------------------------------------


async def test_who_does_not_know_the_secret_is_refused_and_counted_and_nothing_else(bot, server):
    update = server.write("my tire is flat")
    for secret in ("", "wrong", SECRET + "x", SECRET[:-1], SECRET.upper(), "ünïcode", "x" * 5000):
        assert await bot.bring(update, **{HEADER: secret}) == 401
    assert await bot.bring(b"x" * (LONGEST_BODY + 1), **{HEADER: ""}) == 401
    async with bot.strangers.post(bot.webhook.url, json=update) as response:
        assert response.status == 401
    assert await bot.figure("webhook_refusals_total", reason="secret") == 9
    assert server.answers() == []


async def test_a_body_that_is_too_long_is_refused_whether_it_says_so_or_not(bot):
    async def chunks():
        for _ in range(LONGEST_BODY // 65536 + 1):
            yield b"x" * 65536

    assert await bot.bring(b" " * LONGEST_BODY) == 400
    assert await bot.bring(b" " * (LONGEST_BODY + 1)) == 413
    async with bot.strangers.post(bot.webhook.url, data=chunks(), headers={HEADER: SECRET}) as response:
        assert response.status == 413
    assert await bot.figure("webhook_refusals_total", reason="413") == 2


NO_UPDATES = {
    "nothing": b"",
    "half a JSON": b'{"update_id": 1, "message": {"te',
    "no text": b"\xff\xfe\0",
    "a deep JSON": b"[" * 200_000,
    "a long number": b"9" * 5000,
    "not a number": b'{"update_id": NaN}',
    "a list": b"[1]",
    "null": b"null",
    "no id": b"{}",
    "a text as id": b'{"update_id": "1"}',
    "a truth as id": b'{"update_id": true}',
    "a fraction as id": b'{"update_id": 1.5}',
    "a negative id": b'{"update_id": -1}',
    "an id beyond all": b'{"update_id": 9223372036854775808}',
}


async def test_what_is_no_update_is_refused(bot):
    assert {name: await bot.bring(body) for name, body in NO_UPDATES.items()} == dict.fromkeys(NO_UPDATES, 400)


async def test_a_body_that_breaks_off_is_refused_and_harms_nobody(bot, server):
    _, writer = await asyncio.open_connection(*bot.listener.getsockname())
    writer.write(f"POST /telegram HTTP/1.1\r\nHost: x\r\n{HEADER}: {SECRET}\r\nContent-Length: 99\r\n\r\n{{".encode())
    writer.close()
    await writer.wait_closed()
    while await bot.figure("webhook_refusals_total", reason="400") != 1:
        await asyncio.sleep(0)
    assert await bot.bring(server.write("my tire is flat")) == 200


async def test_a_body_that_never_ends_is_given_up(server, faq):
    async with Bot(server, faq).running(body_seconds=0.05) as bot:
        reader, writer = await asyncio.open_connection(*bot.listener.getsockname())
        head = f"POST /telegram HTTP/1.1\r\nHost: x\r\n{HEADER}: {SECRET}\r\nContent-Length: 99\r\n\r\n{{"
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        writer.close()


async def test_the_webhook_takes_only_what_is_brought_and_the_other_routes_only_tell(bot):
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "FOO"):
        for path in ("/telegram", "/healthz", "/readyz", "/metrics", "/go/contact"):
            assert (await bot.get(path, method))[0] == 405
    assert (await bot.get("/telegram"))[0] == (await bot.get("/telegram", "HEAD"))[0] == 405
    assert (await bot.get("/healthz", "POST"))[0] == 405


async def test_there_is_nothing_else(bot):
    for path in ("/", "/telegram/", "//telegram", "/Telegram", "/healthz/", "/go", "/go/contact/x", "/%00", "/é"):
        for method in ("GET", "HEAD", "POST"):
            assert (await bot.get(path, method))[0] == 404


async def test_a_bot_that_polls_has_no_webhook(server, faq):
    async with Bot(server, faq).running(with_webhook=False) as bot:
        assert (await bot.get("/telegram", "POST"))[0] == 404
        assert (await bot.get("/healthz"))[0] == 200


# --- health ----------------------------------------------------------------------------------------------------------


async def readiness(bot: Bot) -> tuple[int, dict[str, Json]]:
    code, _, text = await bot.get("/readyz")
    return code, {check["name"]: check for check in json.loads(text)}


async def test_head_answers_as_get_without_the_words(bot):
    for path in ("/healthz", "/readyz", "/metrics", "/go/contact"):
        told, asked = await bot.get(path, "HEAD"), await bot.get(path)
        assert (told[0], told[2]) == (asked[0], "")


async def test_the_process_lives_even_when_telegram_is_gone(bot, server):
    await server.stop()
    assert (await bot.get("/healthz"))[0] == 200


async def test_a_bot_is_ready_when_telegram_knows_its_webhook(server, faq):
    server.order("setWebhook", status(500), times=3)
    async with Bot(server, faq).running() as bot:
        code, checks = await readiness(bot)
        assert (code, checks["updates"]["ok"]) == (503, False)
        await until(lambda: server.count("getWebhookInfo"))
        await until(lambda: not bot.hearing.is_deaf and bot.hearing._is_heard)
        code, checks = await readiness(bot)
        assert (code, checks["updates"]["ok"]) == (200, True)


async def test_every_check_is_named_and_one_that_fails_or_hangs_is_no_good_sign(server, faq):
    async def fails() -> Check:
        raise ConnectionError("postgresql://user:password@db")

    async def hangs() -> Check:
        await asyncio.Event().wait()
        raise AssertionError

    bot = Bot(server, faq)
    bot.probes |= {"storage": fails, "other": hangs}
    async with bot.running(probe_seconds=0.02):
        code, checks = await readiness(bot)
    assert code == 503
    assert list(checks) == ["updates", "storage", "other"]
    assert checks["storage"] == {"name": "storage", "ok": False, "detail": "This can't be told: ConnectionError."}
    assert not checks["other"]["ok"]


async def test_readiness_costs_telegram_nothing(server, faq):
    async with Bot(server, faq, look_every=60).running() as bot:
        await until(lambda: server.count("getWebhookInfo"))
        for _ in range(20):
            await readiness(bot)
        assert server.count("getWebhookInfo") == 1


def webhook_info(url: str, ago: float | None = None, pending: int = 0) -> Json:
    failure = {"last_error_date": int(time.time() - (ago or 0)), "last_error_message": "Connection refused"}
    info = {"url": url, "has_custom_certificate": False, "pending_update_count": pending}
    return {"ok": True, "result": info | (failure if ago is not None else {})}


async def test_a_bot_is_not_ready_while_telegram_fails_to_bring_updates(bot, server):
    server.order("getWebhookInfo", says(webhook_info(bot.webhook.url, ago=2, pending=3)), times=10_000)
    await until(lambda: bot.webhook._trouble)
    code, checks = await readiness(bot)
    assert code == 503
    assert checks["updates"]["detail"].endswith("s ago; 3 wait.")
    assert await bot.bring(server.write("my tire is flat")) == 200
    await until(lambda: not bot.webhook._trouble)  # one came through since


@pytest.mark.parametrize(("ago", "pending"), [(2, 0), (1000, 3), (None, 3)])
async def test_a_failure_that_is_over_does_not_matter(bot, server, ago, pending):
    server.order("getWebhookInfo", says(webhook_info(bot.webhook.url, ago, pending)), times=10_000)
    asked = server.count("getWebhookInfo")
    await until(lambda: server.count("getWebhookInfo") > asked + 1)
    assert (await readiness(bot))[0] == 200


async def test_a_webhook_that_somebody_removed_is_set_again_and_told(bot, server, caplog):
    server.telegram.call("setWebhook", {"url": "https://elsewhere.example/telegram"})
    await until(lambda: server.count("setWebhook") == 2)
    await until(lambda: not bot.webhook._trouble)
    assert "somebody else removed or moved the webhook; it is being set again" in caplog.text
    assert (await readiness(bot))[0] == 200


async def test_telegram_may_come_up_later_and_what_it_brings_meanwhile_waits(server, faq):
    server.order("getMe", status(500), times=20)
    async with Bot(server, faq).running() as bot:
        bringing = asyncio.create_task(bot.bring(server.write("my tire is flat")))
        assert await bringing == 200
        assert len(server.answers()) == 1


async def test_a_webhook_that_telegram_refuses_is_told_with_its_reason_and_tried_again(server, faq, caplog):
    server.order("setWebhook", status(400, description="Bad Request: bad webhook: Failed to resolve host"), times=2)
    async with Bot(server, faq).running():
        await until(lambda: server.count("getWebhookInfo"))
    assert "again in 0.0 s: Bad webhook: failed to resolve host" in caplog.text


async def test_a_bad_token_ends_the_start_with_a_sentence(server, faq):
    server.order("getMe", status(401))
    bot = Bot(server, faq)
    with pytest.raises(UserError, match="Telegram does not know this TELEGRAM_BOT_TOKEN"):
        await bot.webhook.run(bot.stop)
    await bot.intake.close()
    bot.listener.close()


def test_a_port_that_is_taken_is_told_in_a_sentence():
    with listen("127.0.0.1", 0) as taken, pytest.raises(UserError, match=r"^HOST, PORT: can't listen there \(Address"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_ipv6_is_served_where_there_is_any():
    try:
        listener = listen("::1", 0)
    except UserError:
        pytest.skip("this machine has none")
    with listener:
        assert listener.family == socket.AF_INET6


# --- figures ---------------------------------------------------------------------------------------------------------


async def test_figures_tell_what_was_replied_and_how_fast_and_no_words(bot, server):
    assert await bot.figure("last_update_age_seconds") != await bot.figure("last_update_age_seconds")  # no number yet
    for text in ("my tire is flat", "my tire is flat", "xyzzy plugh"):
        await bot.bring(server.write(text))
    assert await bot.figure("replies_total", kind="answer", entry="flat-tire") == 2
    assert await bot.figure("replies_total", kind="fallback", entry="") == 1
    assert await bot.figure("update_seconds_count") == 3
    assert await bot.figure("last_update_age_seconds") < 5
    _, headers, text = await bot.get("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "process_resident_memory_bytes" in text
    assert "xyzzy" not in text


async def test_errors_and_lost_records_and_problems_are_counted(bot, server):
    server.order("sendMessage", status(400, description="Bad Request: nothing"))
    await bot.bring(server.write("my tire is flat"))
    bot.metrics.problems_found(2)
    assert await bot.figure("errors_total", kind="BadRequest") == 1
    assert await bot.figure("lost_records_total") == 0
    assert b"clinic_faq_lost_records_total 3.0" in Metrics(lost=lambda: 3).text()
    assert await bot.figure("faq_problems") == 2


async def test_a_mistake_of_our_own_is_counted_and_told_by_its_type_only(bot, caplog):
    bot.faq = lambda: {}["a secret"]
    code, _, text = await bot.get("/go/contact")
    assert (code, text) == (500, "")
    assert await bot.figure("errors_total", kind="KeyError") == 1
    ours = [record.getMessage() for record in caplog.records if record.name == "bot.web"]
    assert len(ours) == 1
    assert ours[0].startswith("a request failed error=KeyError at=")


# --- the counted link ------------------------------------------------------------------------------------------------


async def test_the_counted_link_leads_to_the_clinic_and_counts_the_campaign(bot):
    for query in ("?c=flyer-june", "?c=flyer-june&next=https://evil.example", ""):
        code, headers, _ = await bot.get(f"/go/contact{query}", headers={"Host": "evil.example"})
        assert (code, headers["Location"]) == (302, "https://spokes.example/contact")
        assert headers["Cache-Control"] == "no-store"
    await bot.get("/go/contact?c=flyer-june", "HEAD")
    assert await bot.figure("contact_visits_total", campaign="flyer-june") == 2
    assert bot.visits.count("flyer-june") == 2
    assert await bot.figure("contact_visits_total", campaign="") == 1


async def test_what_is_no_campaign_is_counted_without_its_name(bot):
    for campaign in ("a b", "x" * 41, "%22%0a", "<script>", "é", "a%00", "my-number-is-5551234"):
        assert (await bot.get(f"/go/contact?c={campaign}"))[0] == 302
    assert await bot.figure("contact_visits_total", campaign="") == 7


async def test_strangers_cannot_make_up_campaigns_without_end(bot):
    for number in (*range(150), 7):
        await bot.get(f"/go/contact?c=campaign-{number}")
    _, _, text = await bot.get("/metrics")
    assert text.count("clinic_faq_contact_visits_total{") == 101
    assert await bot.figure("contact_visits_total", campaign="(other)") == 50
    assert await bot.figure("contact_visits_total", campaign="campaign-7") == 2


async def test_a_clinic_without_a_contact_link_says_so(server, faq_of):
    answers = "topics: [{id: t, title: T}]\nentries: [{id: a, topic: t, question: A?, answer: A.}]\n"
    for clinic in ("", "clinic: {name: Spokes}\n"):
        async with Bot(server, faq_of(clinic + answers)).running() as bot:
            code, _, text = await bot.get("/go/contact")
            assert (code, text) == (404, "This clinic has not published a contact page.\n")


# --- the end ---------------------------------------------------------------------------------------------------------


async def stopped_with_a_question_in_hand(bot: Bot, patient: ClientSession, **times: int) -> tuple[int, int]:
    """Stop the bot while it answers a question; return the update's id and the status that Telegram gets for it."""
    async with bot.running(**times):
        await until(lambda: bot.server.count("getWebhookInfo"))
        update = bot.server.write("my tire is flat")
        bringing = asyncio.create_task(patient.post(bot.webhook.url, json=update, headers={HEADER: SECRET}))
        await until(lambda: bot.server.count("sendMessage"))
    return update["update_id"], (await bringing).status


async def test_a_stop_finishes_what_is_in_hand_and_takes_nothing_new(server, faq):
    server.order("sendMessage", status(429, retry_after=0.3))
    bot = Bot(server, faq)
    async with ClientSession() as patient:
        _, status_code = await stopped_with_a_question_in_hand(bot, patient)
        assert status_code == 200
        assert len(server.answers()) == 1
        with pytest.raises(ClientError):
            await patient.post(bot.webhook.url)


async def test_what_cannot_be_finished_is_not_confirmed(server, faq):
    server.order("sendMessage", hang)
    ledger = Ledger()
    async with ClientSession() as patient:
        bot = Bot(server, faq, ledger)
        update_id, status_code = await stopped_with_a_question_in_hand(bot, patient, last_answers=0)
    assert status_code == 500
    assert server.answers() == []
    assert ledger.released == [update_id]


# --- noise -----------------------------------------------------------------------------------------------------------


@pytest.mark.unmeasured
async def test_noise_of_any_kind_brings_no_failure(bot, server, caplog):
    noise = Noise(random.Random(7), SECRET)  # noqa: S311  # the same noise in each run
    thrown = await asyncio.gather(*(noise.throw(bot.listener.getsockname(), 500) for _ in range(4)))
    statuses = Counter(chain.from_iterable(thrown))
    assert statuses.total() == 2000
    assert set(statuses) <= {NO_ANSWER, 200, 302, 400, 401, 404, 405, 413}
    assert statuses[NO_ANSWER] < 300
    assert "a request failed" not in caplog.text
    assert await bot.bring(server.write("my tire is flat")) == 200

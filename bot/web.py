"""What the bot serves over HTTP: the webhook, health, figures, and the counted link to the clinic."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.errors import UserError
from bot.health import Check, Probe
from bot.intake import Intake, Json
from bot.logs import cause, note
from bot.metrics import CONTENT_TYPE, Metrics
from bot.webhook import PATH, Webhook
from faq.reply import Faq

log = logging.getLogger(__name__)

# https://core.telegram.org/bots/api#setwebhook
_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105  # its name only
# The longest update, a message of 4,096 characters that replies to another, both full of entities, has some 100 KB.
LONGEST_BODY = 1 << 20
_BODY_SECONDS = 10.0
# A probe that takes longer is no good sign.
_PROBE_SECONDS = 5.0
# What is in hand at a stop is finished in this time, or else brought again. Docker kills after ten seconds.
_LAST_ANSWERS_SECONDS = 5
# Another process has the update in hand: what is not confirmed is brought again, should that one die.
_BUSY = 409
_UPDATE_IDS = range(1 << 63)
_NO_CONTACT = "This clinic has not published a contact page.\n"


class Web:
    """The routes."""

    def __init__(
        self,
        faq: Callable[[], Faq],
        metrics: Metrics,
        probes: Mapping[str, Probe],
        intake: Intake,
        webhook: Webhook | None = None,
        count_visit: Callable[[str], None] = lambda _: None,
        body_seconds: float = _BODY_SECONDS,
        probe_seconds: float = _PROBE_SECONDS,
    ) -> None:
        """`count_visit` is told the campaign of each visit of the contact link, for good."""
        self._faq = faq
        self._metrics = metrics
        self._probes = probes
        self._intake = intake
        self._webhook = webhook
        self._count_visit = count_visit
        self._body_seconds = body_seconds
        self._probe_seconds = probe_seconds

    def app(self) -> Starlette:
        """Return them as an application; without a webhook there is no route for one."""
        routes = [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self._figures),
            Route("/go/contact", self._contact),
        ]
        if self._webhook:
            routes.append(Route(PATH, self._telegram, methods=["POST"]))
        app = Starlette(routes=routes, exception_handlers={HTTPException: _refuse, Exception: self._fail})
        app.router.redirect_slashes = False  # it would lead wherever the Host header says
        return app

    async def _telegram(self, request: Request) -> Response:
        """Handle an update, and only then say so: whatever else is answered, Telegram brings it again."""
        if not (self._webhook and self._webhook.is_from_telegram(request.headers.get(_SECRET_HEADER, ""))):
            self._metrics.refused("secret")
            return Response(status_code=401)
        try:
            update_id, update = _update(await _body(request, self._body_seconds))
        except HTTPException as refusal:
            self._metrics.refused(str(refusal.status_code))
            raise
        return Response(status_code=200 if await self._intake.handle(update_id, update) else _BUSY)

    async def _healthz(self, _: Request) -> Response:
        return PlainTextResponse("The process lives.\n")

    async def _readyz(self, _: Request) -> Response:
        checks = await asyncio.gather(*(_result(probe, self._probe_seconds) for probe in self._probes.values()))
        status = 200 if all(check.ok for check in checks) else 503
        named = [{"name": name, **asdict(check)} for name, check in zip(self._probes, checks, strict=True)]
        return JSONResponse(named, status)

    async def _figures(self, _: Request) -> Response:
        return Response(self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    async def _contact(self, request: Request) -> Response:
        clinic = self._faq().clinic
        if clinic is None or clinic.contact is None:
            return PlainTextResponse(_NO_CONTACT, 404)
        if request.method != "HEAD":  # those are programs that look where the link leads
            campaign = request.query_params.get("c", "")
            self._metrics.visited(campaign)
            self._count_visit(campaign)
        return RedirectResponse(clinic.contact, 302, {"Cache-Control": "no-store"})

    async def _fail(self, _: Request, error: Exception) -> Response:
        note(log, "a request failed", logging.ERROR, **cause(error))
        self._metrics.failed(type(error).__name__)
        return Response(status_code=500)


async def _refuse(_: Request, refusal: Exception) -> Response:
    """Say the status and no more; how the library puts it is none of ours."""
    assert isinstance(refusal, HTTPException)  # noqa: S101  # Starlette's types promise no more than an Exception
    return Response(status_code=refusal.status_code, headers=refusal.headers)


async def _body(request: Request, seconds: float) -> bytes:
    """Return the body, or raise HTTPException when it is too long, too slow or breaks off."""
    told = request.headers.get("Content-Length", "0")
    if len(told) > len(str(LONGEST_BODY)) or int(told) > LONGEST_BODY:
        raise HTTPException(413)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LONGEST_BODY:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    except ClientDisconnect:
        raise HTTPException(400) from None
    return bytes(body)


def _update(body: bytes) -> tuple[int, Json]:
    """Return the update that a body brings, with its id, or raise HTTPException when it brings none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise HTTPException(400) from None
    update_id = content.get("update_id") if isinstance(content, dict) else None
    if type(update_id) is not int or update_id not in _UPDATE_IDS:  # to Python, true is an integer
        raise HTTPException(400)
    return update_id, content


async def _result(probe: Probe, seconds: float) -> Check:
    """Return what a probe finds; one that fails or hangs finds no good."""
    try:
        async with asyncio.timeout(seconds):
            return await probe()
    except Exception as error:
        return Check(False, f"This can't be told: {type(error).__name__}.")


class _Server(uvicorn.Server):
    """Leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no handlers."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, or raise UserError when that can't be."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UserError(
            f"HOST, PORT: can't listen there ({error.strerror}). Choose another PORT, or mend HOST."
        ) from None


@asynccontextmanager
async def serving(
    app: Starlette, listener: socket.socket, last_answers: int = _LAST_ANSWERS_SECONDS
) -> AsyncIterator[None]:
    """Serve until the end of the block; then take nothing new, finish what is in hand, and close."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=last_answers,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await running

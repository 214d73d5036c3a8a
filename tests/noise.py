"""Whatever strangers may send to a web server: random methods, paths, headers and bodies, and what is no HTTP."""

import asyncio
import json
from contextlib import suppress
from random import Random
from urllib.parse import quote_from_bytes

# What came back when the connection ended without an answer: none was due, or it is missing.
NO_ANSWER, MISSING = 0, -1

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X" * 99)
_PATHS = (
    "/telegram",
    "/healthz",
    "/readyz",
    "/metrics",
    "/go/contact",
    "/",
    "/go/",
    "/.env",
    "/static/..%2f",
    "*",
    "//",
)
_NAMES = (
    *("Host", "Accept", "Accept-Encoding", "Content-Type", "Cookie", "Range", "Origin", "X-Forwarded-For", "Forwarded"),
    *("X-Telegram-Bot-Api-Secret-Token", "If-Modified-Since", "Authorization", "X-Forwarded-Proto", "User-Agent"),
)
# These change how the rest is read, so that nobody knows whether an answer is due.
_FRAMING = ("Content-Length", "Transfer-Encoding", "Expect", "Connection", "Upgrade", "HTTP2-Settings", "TE")
_FRAMES = (
    "0",
    "5",
    "-1",
    "99999999999999999999",
    "chunked",
    "gzip, chunked",
    "100-continue",
    "close",
    "websocket",
    "h2c",
)


class Noise:
    """Makes and throws random requests; with the secret, some of them get past the door."""

    def __init__(self, random: Random, secret: str = "") -> None:
        self._random = random
        self._secret = secret

    async def throw(self, address: tuple[str, int], times: int) -> list[int]:
        """Throw so many requests, one after another, and return the status of each answer, NO_ANSWER or MISSING."""
        statuses = []
        connection = None
        for _ in range(times):
            request, is_whole = self.request()
            status, stays = NO_ANSWER, False
            if connection:  # which the server may have closed meanwhile
                status, stays = await _answer(*connection, request, is_whole)
            if status == NO_ANSWER:
                connection = await asyncio.open_connection(*address)
                status, stays = await _answer(*connection, request, is_whole)
            statuses.append(MISSING if status == NO_ANSWER and is_whole else status)
            if connection and not stays:
                connection[1].close()
                connection = None
        if connection:
            connection[1].close()
        return statuses

    def request(self) -> tuple[bytes, bool]:
        """Return a request, and whether it is surely whole, so that an answer is due."""
        if self._random.random() < 0.05:
            return self._bytes(200) + b"\r\n\r\n", False
        if self._random.random() < 0.2:
            return self._knock(), True
        method, headers, body = self._random.choice(_METHODS), self._headers(), self._body()
        is_whole = self._random.random() < 0.9
        if is_whole:
            headers.append(f"Content-Length: {len(body)}")
        else:
            headers.append(f"{self._random.choice(_FRAMING)}: {self._random.choice(_FRAMES)}")
        head = f"{method} {self._target()} HTTP/1.1\r\n" + "\r\n".join(headers) + "\r\n\r\n"
        return head.encode("latin-1") + body, is_whole

    def _knock(self) -> bytes:
        """Return a request of the webhook, mostly with the secret."""
        body = self._body() if self._random.random() < 0.5 else self._update()
        headers = [*self._headers(), f"Content-Length: {len(body)}"]
        if self._random.random() < 0.8:
            headers.insert(1, f"X-Telegram-Bot-Api-Secret-Token: {self._secret}")
        head = "POST /telegram HTTP/1.1\r\n" + "\r\n".join(headers) + "\r\n\r\n"
        return head.encode("latin-1") + body

    def _target(self) -> str:
        path = self._random.choice(_PATHS)
        if self._random.random() < 0.4:
            path += quote_from_bytes(self._bytes(60), safe="/%;:@&=+$,!~*'()")
        if self._random.random() < 0.4:
            path += "?c=" + quote_from_bytes(self._bytes(100), safe="&=%+;?/")
        return path

    def _headers(self) -> list[str]:
        headers = ["Host: 127.0.0.1"]
        for _ in range(self._random.randrange(6)):
            value = self._bytes(80).decode("latin-1").translate(dict.fromkeys((*range(32), 127)))
            headers.append(f"{self._random.choice(_NAMES[1:])}: {value.strip()}")
        return headers

    def _body(self) -> bytes:
        match self._random.randrange(8):
            case 0:
                return self._bytes(3000)
            case 1:
                return json.dumps(self._json(4)).encode()
            case 2:
                return self._update()
            case 3 if self._random.random() < 0.02:
                return b"[" * self._random.randrange(1 << 21)
            case _:
                return b""

    def _update(self) -> bytes:
        kind = self._random.choice(("message", "edited_message", "callback_query", "inline_query", "poll", "x"))
        chat = {"id": self._random.randrange(1 << 40), "type": self._random.choice(("private", "group", "x"))}
        person = {"id": 1, "is_bot": False, "first_name": "Pat"} if self._random.random() < 0.7 else self._json(2)
        message = {"message_id": 1, "date": 1, "chat": chat, "text": str(self._json(1)), "from": person}
        content = message if self._random.random() < 0.5 else self._json(3)
        body = json.dumps({"update_id": self._random.randrange(1 << 62), kind: content}).encode()
        return body if self._random.random() < 0.8 else body[: self._random.randrange(len(body))]

    def _json(self, depth: int) -> object:
        kinds = 5 if depth == 0 else 7
        match self._random.randrange(kinds):
            case 0:
                return self._random.choice((None, True, False))
            case 1:
                return self._random.randrange(-(1 << 70), 1 << 70)
            case 2:
                return self._random.choice((0.5, float("nan"), float("inf"), 1e308))
            case 3 | 4:
                return self._bytes(40).decode("utf-16-le", "surrogatepass" if depth % 2 else "replace")
            case 5:
                return [self._json(depth - 1) for _ in range(self._random.randrange(4))]
            case _:
                names = ("id", "text", "chat", "from", "update_id", "message", "date", "entities", "data", "")
                return {self._random.choice(names): self._json(depth - 1) for _ in range(self._random.randrange(5))}

    def _bytes(self, most: int) -> bytes:
        return self._random.randbytes(2 * self._random.randrange(most // 2))


async def _answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, is_whole: bool
) -> tuple[int, bool]:
    """Send a request; return the status, and whether the connection is good for another one."""
    try:
        writer.write(request)
        if not is_whole:
            writer.write_eof()
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
            while head.startswith(b"HTTP/1.1 100"):
                head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:-1])
        if not request.startswith(b"HEAD "):
            await reader.readexactly(int(fields.get(b"content-length", b"0")))
    except (OSError, asyncio.IncompleteReadError):
        return NO_ANSWER, False
    finally:
        with suppress(OSError):
            await writer.drain()
    return int(head.split(b" ", 2)[1]), is_whole and fields.get(b"connection") != b"close"

"""HTTP for python-telegram-bot over aiohttp, which carries several times as many calls a second as its own."""

import ssl
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, FormData, TCPConnector
from httpx import create_ssl_context
from telegram.error import NetworkError, TimedOut
from telegram.request import BaseRequest, RequestData
from yarl import URL

# Files take longer to write than words.
_FILES_SECONDS = 20.0
# A message's only fields that always stand in it.
_NEWS_OF_SENT = ("message_id", "date", "chat")


@dataclass(frozen=True)
class Limits:
    """How many seconds each part of a call may take; None is no limit."""

    pool: float | None = 1.0
    connect: float | None = 5.0
    write: float | None = 5.0
    read: float | None = 5.0

    def as_timeout(self) -> ClientTimeout:
        """Return the same for aiohttp, which bounds no writing: the sum of all bounds the whole, and so that too."""
        parts = (self.pool, self.connect, self.write, self.read)
        return ClientTimeout(
            total=_sum(*parts), connect=_sum(self.pool, self.connect), sock_connect=self.connect, sock_read=self.read
        )


class AiohttpRequest(BaseRequest):
    """Makes calls over a pool of connections, through the proxy that HTTPS_PROXY or HTTP_PROXY names."""

    def __init__(self, connections: int, limits: Limits = Limits()) -> None:
        self._connections = connections
        self._limits = limits
        self._session: ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    @property
    def read_timeout(self) -> float | None:
        """How many seconds a call waits for an answer when it does not say so itself."""
        return self._limits.read

    async def initialize(self) -> None:
        """Make the pool, unless there is one."""
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=self._connections, ssl=_trusted()),
                cookie_jar=DummyCookieJar(),
                headers={"User-Agent": self.USER_AGENT},
            )

    async def shutdown(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Return Telegram's answer; of a message that was just sent, only what its sender does not know.

        python-telegram-bot would make an object of every button and bold word, which takes longer than sending them.
        """
        answer = BaseRequest.parse_json_payload(payload)
        if isinstance(sent := answer.get("result"), dict) and "message_id" in sent:
            answer["result"] = {name: sent[name] for name in _NEWS_OF_SENT if name in sent}
        return answer

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Return the HTTP status and the body; raise TimedOut, or NetworkError for whatever else befell the network."""
        if self._session is None:
            raise RuntimeError("The request is not initialized.")
        given = {"pool": pool_timeout, "connect": connect_timeout, "write": write_timeout, "read": read_timeout}
        usual = {"write": _FILES_SECONDS} if request_data and request_data.contains_files else {}
        asked = {part: seconds for part, seconds in given.items() if seconds is not BaseRequest.DEFAULT_NONE}
        timeout = replace(self._limits, **usual | asked).as_timeout()
        address = URL(url)
        proxy = self._proxy_for(address)
        try:
            async with self._session.request(
                method, address, **_body(request_data), timeout=timeout, proxy=proxy, allow_redirects=False
            ) as response:
                return response.status, await response.read()
        except TimeoutError:
            raise TimedOut from None
        except (ClientError, OSError) as error:  # their own words may hold the address, and that holds the token
            raise NetworkError(f"aiohttp.{type(error).__name__}") from None

    def _proxy_for(self, address: URL) -> str | None:
        """Return the proxy that the environment names, looked up once: aiohttp would ask two threads at each call."""
        if (origin := f"{address.scheme}://{address.host}") not in self._proxies:
            is_direct = proxy_bypass(address.host or "")
            self._proxies[origin] = None if is_direct else getproxies().get(address.scheme)
        return self._proxies[origin]


def _body(request_data: RequestData | None) -> dict[str, Any]:
    """Return the parameters as a form, with the files as its further parts."""
    if request_data is None:
        return {}
    if not request_data.contains_files:
        # What aiohttp's own form is decoded to, encoded in a tenth of the time.
        encoded = URL.build(query=request_data.json_parameters).raw_query_string.encode()
        return {"data": encoded, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}
    form = FormData(request_data.json_parameters)
    for name, (filename, content, mimetype) in request_data.multipart_data.items():
        form.add_field(name, content, filename=filename, content_type=mimetype)
    return {"data": form}


@cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates that httpx trusts: certifi's, or those that SSL_CERT_FILE or SSL_CERT_DIR name."""
    return create_ssl_context()


def _sum(*seconds: float | None) -> float | None:
    known = [each for each in seconds if each is not None]
    return sum(known) if len(known) == len(seconds) else None

"""HTTP calls to other servers: every outgoing request of this server is made here.

A URL that somebody outside chose could make this server call its own network. So each name is resolved once, all of
its addresses are checked, and the connection goes to one of the checked addresses, while TLS and `Host` keep the name.
Redirects are not followed, proxies of the environment are not used, bodies are not decompressed, and every call is
bounded in time and size. URLs that the operator chose are called without the check: `guard=None`.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from email.utils import parsedate_to_datetime
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, urlsplit

from app.core.clock import now
from app.core.network_addresses import Guard

if TYPE_CHECKING:
    from httpcore2 import AsyncConnectionPool

Resolve = Callable[[str, int], Awaitable[list[str]]]
CONNECT_SECONDS: Final = 5.0  # seconds to open a connection
MAX_IDLE_CONNECTIONS: Final = 20  # kept open
IDLE_SECONDS: Final = 15.0  # seconds that an idle connection is kept open
MAX_URL_LENGTH: Final = 8192  # characters, as most servers take them
_SHAPE = re.compile(r"https?://[^\s\x00-\x20\x7f\\<>\"`{}|^@]+", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)", re.IGNORECASE)
_resolver_threads = ThreadPoolExecutor(32, "names")  # a slow name server must not block other threads


class CallFailed(Exception):
    """A call gave no usable answer. The message says why, without any part of the URL or of the answer."""


class TargetRefused(CallFailed):
    """The URL has a target that this server does not call."""


class Target(NamedTuple):
    """The parts of a URL that was checked."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class Answer(NamedTuple):
    """An answer; its body is cut at the size that was asked for."""

    status: int
    headers: Mapping[str, str]  # by names in lower case; the first of several
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds that `Retry-After` asks for (RFC 9110 §10.2.3); None if it is absent or invalid."""
        text = self.headers.get("retry-after")
        if text is None:
            return None
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (moment - now()).total_seconds())


def _canonical_host(name: str) -> str:
    """Return a host name in ASCII, or an IP address in its canonical form; ValueError for anything else."""
    if name.startswith("["):
        address = ip_address(name[1:-1])
        if not (isinstance(address, IPv6Address) and name.endswith("]")) or address.scope_id:
            raise ValueError
        return address.compressed
    ascii_name = name.encode("idna").decode("ascii").lower().removesuffix(".")
    labels = ascii_name.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # an IPv4 address, or an unusual notation that resolvers take for one
        address = ip_address(ascii_name)
        if str(address) != name:
            raise ValueError
        return ascii_name
    if len(ascii_name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError
    return ascii_name


def parse_target(url: str) -> Target:
    """Parse a URL; TargetRefused unless it is http or https with a valid host and without credentials."""
    try:
        parts = urlsplit(url) if _SHAPE.fullmatch(url) and len(url) <= MAX_URL_LENGTH else None
        if parts is None or "@" in parts.netloc or parts.port == 0:
            raise ValueError
        shown, _, port = parts.netloc.rpartition(":") if _has_port(parts.netloc) else (parts.netloc, "", "")
        if port and not (port.isascii() and port.isdigit()):
            raise ValueError
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{quote(parts.query, safe='/?%:@!$&()*+,;=~-._' + chr(39))}" if parts.query else ""
        return Target(parts.scheme, _canonical_host(shown), parts.port, path + query)
    except ValueError:  # raised for URL parts, ports, addresses and IDNA
        raise TargetRefused("not an http or https URL with a plain host name and without credentials") from None


def _has_port(netloc: str) -> bool:
    return ":" in netloc.rpartition("]")[2]


def check_target(url: str, guard: Guard) -> None:
    """Raise TargetRefused for a URL that is refused without resolving its name."""
    host = parse_target(url).host
    if is_address(host) and not guard.admits(host):
        raise TargetRefused("an address that is not of the public internet")
    if (host == "localhost" or host.endswith(".localhost")) and not (guard.admits("127.0.0.1") or guard.admits("::1")):
        raise TargetRefused("a name of this machine itself")


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def resolve_host(host: str, port: int) -> list[str]:
    """Return all addresses of a name, from the machine's resolver."""
    entries = await asyncio.get_running_loop().run_in_executor(
        _resolver_threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


class Outgoing:
    """Calls other servers over pooled connections."""

    def __init__(self, guard: Guard | None, *, resolve: Resolve = resolve_host) -> None:
        self._guard, self._resolve = guard, resolve
        self._pool: AsyncConnectionPool | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        headers: Iterable[tuple[str, str]] = (),
        content: bytes = b"",
        max_bytes: int = 65_536,
        truncate: bool = False,
    ) -> Answer:
        """Send a request and return its answer, whatever its status, within `timeout` seconds.

        Raise CallFailed if there is none. A body of more than `max_bytes` bytes fails, or is cut there with `truncate`.
        So does one with a content coding, unless it is truncated: none was offered.
        """
        target = parse_target(url)
        if self._guard:
            check_target(url, self._guard)
        import httpcore2  # takes a tenth of a second: only processes that call others load it

        try:
            async with asyncio.timeout(timeout):
                status, answer_headers, body = await self._exchange(
                    method, target, timeout, [*headers], content, max_bytes
                )
        except TimeoutError:
            raise CallFailed("no answer in time") from None
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
            raise CallFailed(f"{type(error).__name__}: {error}".removesuffix(": ")) from error
        if not truncate and (len(body) > max_bytes or answer_headers.get("content-encoding", "identity") != "identity"):
            raise CallFailed("the answer is too large or in a coding that was not asked for")
        return Answer(status, answer_headers, body[:max_bytes])

    async def _exchange(
        self,
        method: str,
        target: Target,
        timeout: float,
        headers: list[tuple[str, str]],
        content: bytes,
        max_bytes: int,
    ) -> tuple[int, dict[str, str], bytes]:
        import httpcore2

        address = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        limits = {"connect": min(CONNECT_SECONDS, timeout), "read": timeout, "write": timeout, "pool": timeout}
        sent = [("Host", target.authority), ("User-Agent", "Broadsheet"), ("Accept-Encoding", "identity"), *headers]
        if content or method not in ("GET", "HEAD"):
            sent.append(("Content-Length", str(len(content))))
        body = b""
        stream = self._open_pool().stream(
            method, address, headers=sent, content=content, extensions={"timeout": limits}
        )
        async with stream as answer:
            async for part in answer.aiter_stream():
                body += part
                if len(body) > max_bytes:
                    break
        answer_headers: dict[str, str] = {}
        for name, value in answer.headers:
            answer_headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        return answer.status, answer_headers, body

    def _open_pool(self) -> "AsyncConnectionPool":
        if self._pool is None:
            import httpcore2
            import httpx2

            from app.net.guarded_backend import GuardedBackend

            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=httpx2.create_ssl_context(),
                max_connections=None,
                max_keepalive_connections=MAX_IDLE_CONNECTIONS,
                keepalive_expiry=IDLE_SECONDS,
                network_backend=GuardedBackend(self._guard, self._resolve),
            )
        return self._pool

    async def stop(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

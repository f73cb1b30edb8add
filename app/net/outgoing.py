"""The one way by which this server calls another over HTTP.

A URL that somebody outside chose is a way to make this server speak to its own network. So the name is resolved once,
every answer is checked, and the connection goes to an address that was checked, while TLS and `Host` keep the name.
Redirects are not followed, proxies of the environment not used, nothing is decompressed, and every call is bounded in
time and size. Addresses that the operator chose go the same way without the check: `guard=None`.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from email.utils import parsedate_to_datetime
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from app.core.clock import now
from app.core.network_addresses import Guard

Resolve = Callable[[str, int], Awaitable[list[str]]]
CONNECT_SECONDS: Final = 5.0  # seconds until a connection stands
MAX_IDLE_CONNECTIONS: Final = 20  # connections that stay open
IDLE_SECONDS: Final = 15.0  # seconds that they do
MAX_TRIED_ADDRESSES: Final = 3  # addresses of a name that are tried in turn
MAX_URL_LENGTH: Final = 8192  # characters of a URL, as most servers take them
_SHAPE = re.compile(r"https?://[^\s\x00-\x20\x7f\\<>\"`{}|^@]+", re.IGNORECASE)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_NUMBER = re.compile(r"(?:\d+|0x[0-9a-f]*)", re.IGNORECASE)
_resolver_threads = ThreadPoolExecutor(32, "names")  # a name server that does not answer must not hold up other threads


class CallFailed(Exception):
    """There is no answer that can be used; the message says why, and holds nothing of the URL or of the answer."""


class TargetRefused(CallFailed):
    """The URL leads where this server does not go."""


class Target(NamedTuple):
    """A URL in the only form in which it is used."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def authority(self) -> str:
        """What `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class Answer(NamedTuple):
    """What came back. `body` holds as much as was asked for."""

    status: int
    headers: Mapping[str, str]  # names in lower case; the first of each
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds that `Retry-After` asks for (RFC 9110 §10.2.3); None where it cannot be read."""
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
    """A host name in ASCII letters, or an address in its canonical form."""
    if name.startswith("["):
        address = ip_address(name[1:-1])
        if not (isinstance(address, IPv6Address) and name.endswith("]")) or address.scope_id:
            raise ValueError
        return address.compressed
    ascii_name = name.encode("idna").decode("ascii").lower().removesuffix(".")
    labels = ascii_name.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # an address, or one of the many ways to write one so that it does not look so
        address = ip_address(ascii_name)
        if str(address) != name:
            raise ValueError
        return ascii_name
    if len(ascii_name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError
    return ascii_name


def parse_target(url: str) -> Target:
    """Take a URL apart; Refused unless it is http or https, without credentials, with a host that is one at sight."""
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
    except ValueError:  # of the URL's parts, the port, the address or IDNA
        raise TargetRefused("not an http or https URL with a plain host name and without credentials") from None


def _has_port(netloc: str) -> bool:
    return ":" in netloc.rpartition("]")[2]


def check_target(url: str, guard: Guard) -> None:
    """Refuse what can be told to lead nowhere good without asking for its name."""
    host = parse_target(url).host
    if _is_address(host) and not guard.admits(host):
        raise TargetRefused("an address that is not of the public internet")
    if (host == "localhost" or host.endswith(".localhost")) and not (guard.admits("127.0.0.1") or guard.admits("::1")):
        raise TargetRefused("a name of this machine itself")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a name, as the machine's resolver has them."""
    entries = await asyncio.get_running_loop().run_in_executor(
        _resolver_threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


class _GuardedBackend:
    """What the HTTP library opens connections with: checked addresses in place of names."""

    def __init__(self, guard: Guard | None, resolve: Resolve) -> None:
        import httpcore2

        self._guard, self._resolve, self._real = guard, resolve, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, **_: Any
    ) -> Any:
        """Resolve, check all of it, then connect to one of those."""
        import httpcore2

        try:
            async with asyncio.timeout(timeout):
                addresses = [host] if _is_address(host) else await self._resolve(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the name was not resolved in time") from None
        except OSError as error:
            raise httpcore2.ConnectError("the name is not known") from error
        if self._guard and not all(self._guard.admits(address) for address in addresses):
            raise TargetRefused("a name of which not every address is of the public internet")
        failure: Exception = httpcore2.ConnectError("the name has no address")
        for address in addresses[:MAX_TRIED_ADDRESSES]:
            try:
                return await self._real.connect_tcp(address, port, timeout=timeout, local_address=local_address)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, *_: Any, **__: Any) -> Any:
        """Nothing outside is behind one."""
        raise TargetRefused("a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """Wait between tries."""
        await asyncio.sleep(seconds)


class Outgoing:
    """Calls to other servers, over connections that stay open for a while."""

    def __init__(self, guard: Guard | None, *, resolve: Resolve = resolve_host) -> None:
        self._guard, self._resolve = guard, resolve
        self._pool: Any = None

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
        if self._pool is None:
            self._pool = self._open()
        import httpcore2

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
        stream = self._pool.stream(method, address, headers=sent, content=content, extensions={"timeout": limits})
        async with stream as answer:
            async for part in answer.aiter_stream():
                body += part
                if len(body) > max_bytes:
                    break
        answer_headers: dict[str, str] = {}
        for name, value in answer.headers:
            answer_headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
        return answer.status, answer_headers, body

    def _open(self) -> Any:
        import httpcore2
        import httpx2  # both take a tenth of a second, which only those wait for who call anybody

        return httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=None,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_GuardedBackend(self._guard, self._resolve),  # type: ignore[arg-type]
        )

    async def stop(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

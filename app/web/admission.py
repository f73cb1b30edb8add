"""How much a process takes on at once: connections, connections of one address, and requests that it works on.

Beyond that it refuses at once, with 503 and `Retry-After`, instead of letting requests queue: what is refused costs a
fraction of what is answered, so that a process which is asked for too much still answers as much as it can.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from time import perf_counter
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import Scope

from app.core.logs import get_logger
from app.core.network_addresses import Network
from app.web.rate_limits import network_of

RETRY_AFTER_SECONDS: Final = 1
MAX_STARTS_IN_A_ROUND: Final = 1
"""Requests that begin in one round of the event loop: between two rounds it reads from sockets and refuses."""
LONG_ROUND_SECONDS: Final = 0.001
ROUNDS_AFTER_LONG_ONE: Final = 3
"""Rounds without a start after a round that took long: in as many a connection is accepted, read from, and refused."""
MAX_WAIT_SECONDS: Final = 1.5
"""How long a request may have to wait until those before it have begun: where that takes longer, it is refused."""
PACE_SHARE: Final = 0.1  # of the latest interval in the mean
MAX_PACE_SECONDS: Final = 0.02
"""An interval that counts at most: a process that gets no processor for a while has not too much to do."""
LINGER_SECONDS: Final = 0.3
REPORT_SECONDS: Final = 10.0  # between two lines of the log about refusals
SLOT: Final = "slot"
"""Key in a request's state: its `Slot`."""
log = get_logger("broadsheet.server")


@dataclass(frozen=True)
class Limits:
    """The limits of one process."""

    connections: int = 10_000
    connections_per_address: int = 1000
    requests: int = 256
    paths: Mapping[str, int] = field(default_factory=dict[str, int])  # requests with a path, where fewer are taken on
    hosts: tuple[str, ...] = ()  # names of this server; none: any. `*.example.org` stands for all names below
    proxies: tuple[str, ...] = ()  # addresses and networks that may open any number of connections


class Slot:
    """What a request counts as work while the process works on it; not while it waits for its client.

    As a context manager: the request waits for its client, or for another request, within it.
    """

    __slots__ = ("_admission", "_counts", "_path")

    def __init__(self, admission: "Admission", path: str = "") -> None:
        self._admission, self._path, self._counts = admission, path, False
        self.__exit__()

    @property
    def is_too_much(self) -> bool:
        """Whether the process works on more than it should since this request came back from waiting."""
        return self._admission.working > self._admission.limits.requests

    def leave(self) -> None:
        """Count no longer."""
        if self._counts:
            self._counts = False
            self._admission.working -= 1
            if self._path:
                self._admission.working_on[self._path] -= 1

    def finish(self) -> None:
        """Count no longer, and let a request that was refused before begin instead."""
        self.leave()
        if self._admission.resting:
            self._admission.resume_one()

    def __enter__(self) -> None:
        self.leave()

    def __exit__(self, *error: object) -> None:
        if not self._counts:
            self._counts = True
            self._admission.working += 1
            if self._path:
                self._admission.working_on[self._path] += 1


class Admission(Collector):
    """What a process has let in, and whether it may let in more."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.is_draining = False  # no new requests are to come
        self.max_wait_seconds = MAX_WAIT_SECONDS
        self.linger_seconds = LINGER_SECONDS  # before idle connections are closed when it is draining
        self.working = 0  # requests
        self.working_on = Counter[str]()  # those with a path that has a limit
        self.connections = 0
        self.resting: dict[object, Callable[[], object]] = {}
        """What reads again from each connection that is not read, as it was refused a request, the oldest first."""
        self._by_address: dict[str, int] = {}
        self._proxies: list[Network] = [ip_network(proxy, strict=False) for proxy in limits.proxies if proxy != "*"]
        self._trusts_all = "*" in limits.proxies
        self._hosts = frozenset(host.lower() for host in limits.hosts if not host.startswith("*."))
        self._domains = tuple(host[1:].lower() for host in limits.hosts if host.startswith("*."))
        self._starts = 0  # in this round of the event loop
        self._started = 0.0  # when the latest request began, of a clock that the event loop does not keep
        self._rounds_to_pass = 0
        self._pace = 0.0  # mean seconds between two requests that began one after the other
        self._waiting: deque[Callable[[], object]] = deque()
        self._refused = {"connections": 0, "requests": 0}
        self._reported, self._last_report = 0, -REPORT_SECONDS

    def admit_connection(self, address: str) -> str | None:
        """Count a connection; return the name under which to `release_connection`, or None: it is refused."""
        name = "" if self._is_proxy(address) else network_of(address)
        count = self._by_address.get(name, 0) + 1 if name else 0
        if self.connections >= self.limits.connections or count > self.limits.connections_per_address:
            self._note_refusal("connections")
            return None
        self.connections += 1
        if name:
            self._by_address[name] = count
        return name

    def release_connection(self, name: str) -> None:
        """Stop counting a connection."""
        self.connections -= 1
        if name:
            if self._by_address[name] == 1:
                del self._by_address[name]
            else:
                self._by_address[name] -= 1

    def _is_proxy(self, address: str) -> bool:
        if not self._proxies:
            return self._trusts_all or not address
        try:
            ip = ip_address(address)
        except ValueError:
            return True  # a Unix socket has no address
        return self._trusts_all or any(ip in network for network in self._proxies)

    def admit_request(self, path: str) -> Slot | None:
        """Count a request; None: it is refused."""
        limit = self.limits.paths.get(path)
        is_full = limit is not None and self.working_on.get(path, 0) >= limit
        if is_full or self.working >= self.limits.requests or self._is_late():
            self._note_refusal("requests")
            return None
        return Slot(self, path if limit is not None else "")

    def resume_one(self) -> None:
        """Read again from who has waited longest since a refusal: a request has ended, another may begin."""
        next(iter(self.resting.values()))()

    def start(self, begin: Callable[[], object]) -> None:
        """Begin to work on a request, now or in one of the next rounds of the event loop."""
        if self._starts < MAX_STARTS_IN_A_ROUND and not self._waiting:
            if not self._starts:
                asyncio.get_running_loop().call_soon(self._end_round)
            self._starts += 1
            self._started = perf_counter()
            begin()
        else:
            self._waiting.append(begin)

    def _is_late(self) -> bool:
        return len(self._waiting) * self._pace > self.max_wait_seconds

    def _end_round(self) -> None:
        if not self._waiting:
            self._starts = 0
            return
        seconds = perf_counter() - self._started
        if self._starts and seconds > LONG_ROUND_SECONDS:
            self._rounds_to_pass = ROUNDS_AFTER_LONG_ONE
        self._starts = 0
        if self._rounds_to_pass:
            self._rounds_to_pass -= 1
        else:
            self._pace += (min(seconds, MAX_PACE_SECONDS) - self._pace) * PACE_SHARE
            self._started += seconds
            while self._waiting and self._starts < MAX_STARTS_IN_A_ROUND:
                self._starts += 1
                self._waiting.popleft()()
        asyncio.get_running_loop().call_soon(self._end_round)

    def is_own_host(self, host: bytes) -> bool:
        """Whether the value of `Host` names this server."""
        if not self.limits.hosts:
            return True
        name = host.decode("latin-1").lower()
        name = name.rpartition(":")[0] if ":" in name and not name.endswith("]") else name
        return name in self._hosts or name.endswith(self._domains)

    def _note_refusal(self, kind: str) -> None:
        """Count a refusal; a flood of them gives a few lines in the log."""
        self._refused[kind] += 1
        clock = asyncio.get_running_loop().time()
        if clock - self._last_report >= REPORT_SECONDS:
            total = sum(self._refused.values())
            log.warning("more is asked than this process takes on", limit=kind, refused=total - self._reported)
            self._reported, self._last_report = total, clock

    def collect(self) -> Iterator[Metric]:
        """Return the metrics."""
        yield GaugeMetricFamily("broadsheet_connections", "Connections that are open.", self.connections)
        yield GaugeMetricFamily("broadsheet_requests_working", "Requests that this process works on.", self.working)
        refused = CounterMetricFamily(
            "broadsheet_refused", "Connections and requests refused by the limits of this process.", labels=["limit"]
        )
        for kind, count in self._refused.items():
            refused.add_metric([kind], count)
        yield refused


_UNCOUNTED: Final = Slot(Admission(Limits()))


def slot_of(scope: Scope) -> Slot:
    """Return the slot of a request; one that counts nothing on a server without limits."""
    slot: Slot = scope.get("state", {}).get(SLOT, _UNCOUNTED)
    return slot

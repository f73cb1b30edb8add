"""Rate limits by caller, reported in the headers of the IETF's RateLimit draft."""

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal, Protocol

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from app.core.clock import now, unix_time
from app.core.logs import get_logger
from app.core.problems import TooManyRequests

DEFAULT_RATES = {
    "read": "1200/minute",
    "key": "6000/minute",
    "publishable": "60000/minute",
    "reader": "1200/minute",
    "guest": "60/hour",
    "comment": "60/minute",
    "write": "300/minute",
    "subscribe": "60/hour",
    "hub": "600/hour",
    "sign-in": "120/hour",
    "sign-in-range": "600/hour",
    "account": "20/hour",
    "invalid": "60/minute",
}
Quotas = Sequence[tuple[Literal["minute", "day"], int]]
MAX_CALLERS = 100_000  # in the memory of one process
REDIS_SECONDS = 0.25  # to connect to Redis, or for its answer
REST_SECONDS = 5.0  # during which a Redis that failed is not asked again
log = get_logger("broadsheet.limits")


class Counter(Protocol):
    """Counts calls: returns whether one is allowed, how many remain, and the seconds until the window ends."""

    async def hit(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]: ...


class _MemoryCounter:
    """Fixed windows in the memory of this process: every request is counted, so it must be cheap."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._windows)

    async def hit(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]:
        return self.count(item, policy, caller)

    def count(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]:
        """Count one call, without waiting."""
        clock = unix_time()
        end, used = self._windows.get((policy, caller), (0.0, 0))
        if end <= clock:
            if len(self._windows) >= MAX_CALLERS:
                self._drop_expired(clock)
            end, used = clock + item.get_expiry(), 0
        self._windows[policy, caller] = end, used + 1
        return used < item.amount, item.amount - used - 1, end - clock

    def _drop_expired(self, clock: float) -> None:
        self._windows = {who: window for who, window in self._windows.items() if window[0] > clock}
        if len(self._windows) >= MAX_CALLERS:
            self._windows.clear()


class _RedisCounter:
    """Sliding windows that several processes share."""

    def __init__(self, url: str) -> None:
        storage = RedisStorage(
            f"async+{url}",
            wrap_exceptions=True,
            implementation="redispy",
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
        )
        self._strategy = SlidingWindowCounterRateLimiter(storage)

    async def hit(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]:
        allowed = await self._strategy.hit(item, policy, caller)
        end, remaining = await self._strategy.get_window_stats(item, policy, caller)
        return allowed, remaining, end - now().timestamp()


class _SharedCounter:
    """Counts with others, and alone while what they share cannot be reached."""

    def __init__(self, shared: Counter) -> None:
        self._shared, self._own = shared, _MemoryCounter()
        self._not_before = 0.0  # monotonic time before which the shared counter is not asked

    async def hit(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]:
        if time.monotonic() >= self._not_before:
            try:
                return await self._shared.hit(item, policy, caller)
            except StorageError as error:
                self._not_before = time.monotonic() + REST_SECONDS
                log.warning("this process counts alone for a while", error=type(error.storage_error).__name__)
        return self._own.count(item, policy, caller)


@lru_cache(10_000)
def network_of(address: str) -> str:
    """Return what an address is counted as: IPv4 as it is, IPv6 by its /64, which one household has."""
    if ":" not in address:
        return address
    try:
        ip = ip_address(address)
        mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
        return str(mapped or ip_network((int(ip) >> 64 << 64, 64)))
    except ValueError:
        return address


@lru_cache(10_000)
def ranges_of(address: str) -> tuple[str, str] | None:
    """Return the ranges of an address: /48 and /32 in IPv6, /24 and /16 in IPv4; None if it is not an address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    unmapped = mapped or ip
    lengths = (48, 32) if isinstance(unmapped, IPv6Address) else (24, 16)
    near, far = (str(ip_network(f"{unmapped}/{length}", strict=False)) for length in lengths)
    return near, far


@lru_cache(1000)
def _rate(amount: int, unit: str) -> RateLimitItem:
    return parse(f"{amount}/{unit}")


@lru_cache(100)
def _policy_field(policy: str, item: RateLimitItem) -> bytes:
    return f'"{policy}";q={item.amount};w={item.get_expiry()}'.encode()


class Limiter:
    """Counts calls by caller and policy.

    `read` (an address), `key` (an API key), `publishable` (a publishable key), `reader` (a guest or signed-in reader),
    `guest` (new guests from an address), `comment` (comments, edits and previews from an address or a signed-in reader;
    each operation of a batch counts), `write` (all other writes that anyone may send, such as votes, reactions and
    reports, from an address or a signed-in reader), `subscribe` (subscription requests from an address), `hub`
    (requests to the hub), `sign-in` and `sign-in-range` (attempts to sign in or to accept an invitation, from an
    address and from its /24, in IPv6 its /48), `account` (attempts with a password for one e-mail address, and with
    one-time codes for one person), `invalid` (bad keys).
    """

    def __init__(self, rates: str, redis_url: str = "") -> None:
        self.policies: dict[str, RateLimitItem] = {}
        if rates != "off":
            rate_by_policy = dict(DEFAULT_RATES)
            for part in filter(None, (part.strip() for part in rates.split(",") if part.strip() != "on")):
                name, _, rate = part.partition("=")
                if name not in DEFAULT_RATES:
                    raise ValueError(f"RATE_LIMITS knows the policies {', '.join(DEFAULT_RATES)}, not {name}")
                rate_by_policy[name] = rate
            self.policies = {name: parse(rate) for name, rate in rate_by_policy.items()}
        self._items_by_policy = {name: {name: item} for name, item in self.policies.items()}
        self.counter: Counter = _SharedCounter(_RedisCounter(redis_url)) if redis_url else _MemoryCounter()

    def __len__(self) -> int:
        """Return the number of callers that are counted in the memory of this process."""
        return len(self.counter) if isinstance(self.counter, _MemoryCounter) else 0

    @property
    def counts_at_once(self) -> bool:
        """Whether `count` can count: not where processes share their counts."""
        return isinstance(self.counter, _MemoryCounter)

    def count(self, policy: str, caller: str, quotas: Quotas = ()) -> list[tuple[bytes, bytes]] | None:
        """Count a call as `hit` does, without waiting.

        Returns the headers to send; None where the call is refused, or only `hit` can count it.
        """
        if not isinstance(self.counter, _MemoryCounter):
            return None
        policies = limits = b""
        for name, item in self._items_of(policy, quotas).items():
            allowed, remaining, seconds = self.counter.count(item, name, caller)
            if not allowed:
                return None
            field, limit = _policy_field(name, item), f'"{name}";r={remaining};t={round(seconds) or 1}'.encode()
            policies, limits = (policies + b", " + field, limits + b", " + limit) if limits else (field, limit)
        return [(b"ratelimit-policy", policies), (b"ratelimit", limits)] if limits else []

    def _items_of(self, policy: str, quotas: Quotas) -> Mapping[str, RateLimitItem]:
        """Return the limits of a call, by name; a quota per minute replaces the policy."""
        if not quotas:
            return self._items_by_policy.get(policy, {})
        items = {f"quota-{unit}": _rate(amount, unit) for unit, amount in quotas}
        if "quota-minute" not in items and (policy_rate := self.policies.get(policy)):
            items = {policy: policy_rate, **items}
        return items

    async def hit(self, policy: str, caller: str, quotas: Quotas = ()) -> Mapping[str, str]:
        """Count a call and return the headers for its response; 429 if a limit is used up.

        `quotas` are the caller's own; one per minute replaces the policy. A call that one of them refuses is not
        counted by those that follow.
        """
        headers: dict[str, str] = {}
        for name, item in self._items_of(policy, quotas).items():
            allowed, remaining, seconds = await self.counter.hit(item, name, caller)
            wait = max(1, round(seconds))
            fields = {
                "RateLimit-Policy": f'"{name}";q={item.amount};w={item.get_expiry()}',
                "RateLimit": f'"{name}";r={max(0, remaining)};t={wait}',
            }
            headers = {key: f"{headers[key]}, {text}" if headers else text for key, text in fields.items()}
            if not allowed:
                raise TooManyRequests(f"Retry in {wait} s.", headers={**headers, "Retry-After": str(wait)})
        return headers

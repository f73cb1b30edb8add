"""Rate limits: how often one caller may ask, told in the headers of the IETF's RateLimit draft."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal, Protocol

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError

from app.core.clock import now
from app.core.problems import TooManyRequests

DEFAULT_RATES = {
    "read": "1200/minute",
    "key": "6000/minute",
    "reader": "1200/minute",
    "guest": "60/hour",
    "comment": "60/minute",
    "write": "300/minute",
    "subscribe": "60/hour",
    "hub": "600/hour",
    "invalid": "60/minute",
}
Quotas = Sequence[tuple[Literal["minute", "day"], int]]
MAX_CALLERS = 100_000  # the most that one process remembers
log = structlog.get_logger("broadsheet.limits")


class Counter(Protocol):
    """Counts one call; tells whether it is allowed, how many remain, and in how many seconds all are free again."""

    async def hit(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]: ...


class _MemoryCounter:
    """Fixed windows of this process: a dictionary, because every request passes here."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}

    async def hit(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]:
        clock = now().timestamp()
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
        storage = RedisStorage(f"async+{url}", wrap_exceptions=True, implementation="redispy")
        self._strategy = SlidingWindowCounterRateLimiter(storage)

    async def hit(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]:
        allowed = await self._strategy.hit(item, policy, caller)
        end, remaining = await self._strategy.get_window_stats(item, policy, caller)
        return allowed, remaining, end - now().timestamp()


@lru_cache(10_000)
def network_of(address: str) -> str:
    """Whom an address counts for: itself, or its /64 in IPv6, of which one household has 2⁶⁴ addresses."""
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
    """The ranges that an address is in: a site's and a provider's, /48 and /32 in IPv6, /24 and /16 in IPv4."""
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


class Limiter:
    """Counts calls by caller and policy.

    `read` (an address), `key` (an API key), `reader` (a guest or signed-in reader), `guest` (new guests from an
    address), `comment` (comments, edits and trials that are sent from an address, or by a reader of the site; each
    operation of a batch is one), `write` (votes, reactions, reports and all other writes that anyone may send, from an
    address, or by a reader of the site), `subscribe` (subscriptions asked for from an address), `hub` (requests to the
    hub), `invalid` (bad keys).
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
        self.counter: Counter = _RedisCounter(redis_url) if redis_url else _MemoryCounter()

    async def hit(self, policy: str, caller: str, quotas: Quotas = ()) -> Mapping[str, str]:
        """Count a call; the headers to send with its answer, or a 429 that says when to come back.

        `quotas` are the caller's own: that of a minute counts in place of the policy. What one refuses is not counted
        by those after it.
        """
        items = {f"quota-{unit}": _rate(amount, unit) for unit, amount in quotas}
        if "quota-minute" not in items and (policy_rate := self.policies.get(policy)):
            items = {policy: policy_rate, **items}
        headers: dict[str, str] = {}
        for name, item in items.items():
            try:
                allowed, remaining, seconds = await self.counter.hit(item, name, caller)
            except StorageError as error:
                log.warning("rate limits cannot be counted", error=type(error.storage_error).__name__)
                return {}  # readers are served all the same
            wait = max(1, round(seconds))
            fields = {
                "RateLimit-Policy": f'"{name}";q={item.amount};w={item.get_expiry()}',
                "RateLimit": f'"{name}";r={max(0, remaining)};t={wait}',
            }
            headers = {key: f"{headers[key]}, {text}" if headers else text for key, text in fields.items()}
            if not allowed:
                raise TooManyRequests(f"Come back in {wait} s.", headers={**headers, "Retry-After": str(wait)})
        return headers

"""Rate limits: how often one caller may ask, told in the headers of the IETF's RateLimit draft."""

from collections.abc import Mapping

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter

from app.kit.clock import now
from app.kit.problems import TooManyRequests

DEFAULTS = {"read": "1200/minute", "key": "6000/minute", "invalid": "60/minute"}


class Limiter:
    """Counts calls by caller and policy: `read` (an address), `key` (an API key), `invalid` (bad keys)."""

    def __init__(self, rates: str, redis_url: str = "") -> None:
        self.policies: dict[str, RateLimitItem] = {}
        if rates != "off":
            chosen = dict(DEFAULTS)
            for part in filter(None, (part.strip() for part in rates.split(",") if part.strip() != "on")):
                name, _, rate = part.partition("=")
                if name not in DEFAULTS:
                    raise ValueError(f"RATE_LIMITS knows the policies {', '.join(DEFAULTS)}, not {name}")
                chosen[name] = rate
            self.policies = {name: parse(rate) for name, rate in chosen.items()}
        self._strategy: RateLimiter
        if redis_url:
            self._strategy = SlidingWindowCounterRateLimiter(RedisStorage(f"async+{redis_url}"))
        else:
            self._strategy = FixedWindowRateLimiter(MemoryStorage())

    async def hit(self, policy: str, caller: str) -> Mapping[str, str]:
        """Count a call; the headers to send with its answer, or a 429 that says when to come back."""
        item = self.policies.get(policy)
        if item is None:
            return {}
        allowed = await self._strategy.hit(item, caller)
        reset, remaining = await self._strategy.get_window_stats(item, caller)
        wait = max(1, round(reset - now().timestamp()))
        headers = {
            "RateLimit-Policy": f'"{policy}";q={item.amount};w={item.get_expiry()}',
            "RateLimit": f'"{policy}";r={max(0, remaining)};t={wait}',
        }
        if not allowed:
            raise TooManyRequests(f"Come back in {wait} s.", headers={**headers, "Retry-After": str(wait)})
        return headers

"""Rate limits: who is counted, what is told, and when it is enough."""

import asyncio
from datetime import UTC, datetime

import pytest
import time_machine
from limits import RateLimitItem
from limits.errors import StorageError

from app.core.problems import TooManyRequests
from app.web import rate_limits
from app.web.rate_limits import Limiter, network_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def hit(limiter: Limiter, policy: str = "read", caller: str = "a", times: int = 1) -> dict[str, str]:
    async def story() -> dict[str, str]:
        for _ in range(times - 1):
            await limiter.hit(policy, caller)
        return dict(await limiter.hit(policy, caller))

    return asyncio.run(story())


@time_machine.travel(NOON, tick=False)
def test_a_caller_is_told_what_remains() -> None:
    limiter = Limiter("read=3/minute")
    assert hit(limiter) == {"RateLimit-Policy": '"read";q=3;w=60', "RateLimit": '"read";r=2;t=60'}
    assert hit(limiter, times=2)["RateLimit"] == '"read";r=0;t=60'


def test_too_many_calls_are_refused_until_the_window_is_over() -> None:
    limiter = Limiter("read=3/minute")
    with time_machine.travel(NOON, tick=False) as clock:
        hit(limiter, times=3)
        clock.shift(20)
        with pytest.raises(TooManyRequests) as caught:
            hit(limiter)
        assert caught.value.headers == {
            "RateLimit-Policy": '"read";q=3;w=60',
            "RateLimit": '"read";r=0;t=40',
            "Retry-After": "40",
        }
        assert hit(limiter, caller="b")["RateLimit"] == '"read";r=2;t=60'
        assert hit(limiter, policy="key")["RateLimit"].startswith('"key";r=5999')
        clock.shift(40)
        assert hit(limiter)["RateLimit"] == '"read";r=2;t=60'


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_CALLERS", 10)
    limiter = Limiter("read=3/minute")
    with time_machine.travel(NOON, tick=False) as clock:
        for n in range(9):
            hit(limiter, caller=f"old {n}")
        clock.shift(59)
        hit(limiter, caller="young", times=2)
        clock.shift(2)
        for n in range(3):
            hit(limiter, caller=f"new {n}")
        assert hit(limiter, caller="young")["RateLimit"].startswith('"read";r=0')  # what is over goes first
        for n in range(100):
            hit(limiter, caller=f"many {n}")
        assert len(limiter.counter._windows) <= 10  # type: ignore[attr-defined]


def test_limits_can_be_off() -> None:
    assert hit(Limiter("off"), times=5000) == {}


@pytest.mark.parametrize("rates", ["wrong=1/minute", "read=often", "read"])
def test_a_wrong_setting_does_not_start(rates: str) -> None:
    with pytest.raises(ValueError, match=r"RATE_LIMITS|parse"):
        Limiter(rates)


class Shared:
    """A counter of several processes."""

    def __init__(self) -> None:
        self.is_away, self.asked = False, 0

    async def hit(self, item: RateLimitItem, policy: str, caller: str) -> tuple[bool, int, float]:
        self.asked += 1
        if self.is_away:
            raise StorageError(ConnectionError())
        return True, 1000, 60.0


def test_a_process_counts_alone_while_the_shared_counter_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, limiter, clock = Shared(), Limiter("read=3/minute"), [100.0]
    limiter.counter = rate_limits._SharedCounter(shared)
    monkeypatch.setattr(rate_limits.time, "monotonic", lambda: clock[0])
    assert hit(limiter)["RateLimit"] == '"read";r=1000;t=60'
    shared.is_away = True
    assert hit(limiter, times=3)["RateLimit"] == '"read";r=0;t=60'
    assert shared.asked == 2, "once it has failed, it is not asked for a while"
    with pytest.raises(TooManyRequests):
        hit(limiter)
    shared.is_away = False
    clock[0] += rate_limits.REST_SECONDS
    assert hit(limiter)["RateLimit"] == '"read";r=1000;t=60'


def test_ipv6_counts_by_household() -> None:
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")
    assert network_of("192.0.2.1") == network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("2001:DB8:1:2::1") == "2001:db8:1:2::/64"
    assert network_of("fe80::1%eth0") != network_of("fe80:0:0:1::1")
    assert network_of("testclient") == "testclient"

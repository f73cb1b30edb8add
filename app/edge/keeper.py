"""The kept answers of a process: those in memory, those being made, and the follower that evicts them."""

import asyncio
from collections.abc import Iterable, Iterator

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError

from app.core.clock import unix_time
from app.core.settings import Settings
from app.db import Database
from app.edge.answers import BRIEF_GROUP, Answer, Key, renew_answer
from app.edge.following import Follower, follow
from app.edge.memory import Memory
from app.events.cache_groups import LOG_GROUP
from app.web.access_log import Metrics
from app.web.freshness import Freshness

MAX_PASSING = 4096  # keys that are known to have answers that may not be kept
PASSING_SECONDS = 1.0  # for which requests with such a key go to the app without waiting for each other
log = structlog.get_logger("broadsheet.edge")


class Flight:
    """An answer that is being made, and the requests that wait for it."""

    def __init__(self, follower: Follower | None) -> None:
        self.started = unix_time()
        self._follower = follower
        self._was_settled = follower is not None and follower.is_settled
        self._answer: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._stale: set[str] | None = set()  # groups evicted since the flight began; None: all

    def touch(self, groups: Iterable[str] | None) -> None:
        """Note that groups have become stale while the answer is being made."""
        if groups is None or self._stale is None:
            self._stale = None
        else:
            self._stale.update(groups)

    def is_stale(self, answer: Answer) -> bool:
        """Whether the answer may have been read before one of its groups became stale.

        A page of the event log may also lack events that were not settled when it was read. It is fresh only if all
        events known at its start were settled, and all known now are; those that came between make it stale.
        """
        if self._stale is None or not self._stale.isdisjoint(answer.groups):
            return True
        if LOG_GROUP not in answer.groups:
            return False
        return self._follower is None or not (self._was_settled and self._follower.is_settled)

    def end(self, answer: Answer | None) -> None:
        """Give the answer to the requests that wait; with None each of them goes to the app."""
        if not self._answer.done():
            self._answer.set_result(answer)

    async def wait(self) -> Answer | None:
        """Wait for the answer."""
        return await asyncio.shield(self._answer)


class Keeper:
    """Keeps answers in a process; with a size of 0 it keeps none."""

    def __init__(self, settings: Settings, database: Database, freshness: Freshness, metrics: Metrics) -> None:
        self._freshness = freshness
        self.memory = Memory(settings.cache_size * 1_000_000, self._note_drop)
        self.flights: dict[Key, Flight] = {}
        self._passing: dict[Key, float] = {}  # the Unix time until which each passes
        self.follower: Follower | None = follow(database, self.evict) if settings.cache_size else None
        self.is_started = False
        self.hits = self.misses = self.collapsed = self.bypassed = 0
        metrics.registry.register(_Counters(self))

    async def start(self) -> None:
        """Start to keep answers."""
        if self.follower is not None:
            await self.follower.start()
            self.is_started = True

    async def stop(self) -> None:
        """Stop, and drop all answers."""
        if self.follower is not None:
            self.is_started = False
            await self.follower.stop()
            self.evict(None)

    def evict(self, groups: set[str] | None) -> None:
        """Drop the answers of these groups, or all; any change also drops those without groups and pages of the log."""
        stale = None if groups is None else {BRIEF_GROUP, LOG_GROUP, *groups}
        for flight in self.flights.values():
            flight.touch(stale)
        if stale is None:
            self.memory.clear()
        else:
            self.memory.evict(stale)

    def renew(self, answer: Answer) -> Answer | None:
        """Replace an answer whose counts are outdated by one with the present ones; drop it where that fails."""
        self.memory.drop(answer)
        if self.follower is None or self.follower.connection is None:
            return None
        try:
            renewed = renew_answer(answer, self.follower.connection, self._freshness)
        except DBAPIError:
            log.warning("an answer was not renewed", exc_info=True)
            return None
        return renewed if renewed is not None and self.memory.add(renewed, *answer.aliases) else None

    def pass_for_now(self, key: Key) -> None:
        """Pass requests with this key to the app for a while: their answers may not be kept, so waiting is useless."""
        if len(self._passing) >= MAX_PASSING:
            self._passing.clear()
        self._passing[key] = unix_time() + PASSING_SECONDS

    def is_passing(self, key: Key) -> bool:
        """Whether requests with this key are passed to the app."""
        until = self._passing.get(key)
        if until is None:
            return False
        if until > unix_time():
            return True
        del self._passing[key]
        return False

    def _note_drop(self, answer: Answer) -> None:
        """Let what takes the place of an answer not be dated into a second in which it was still given."""
        if answer.seen_as is not None and answer.served >= int(unix_time()):
            self._freshness.note(*answer.seen_as)


class _Counters(Collector):
    """What `/metrics` shows of kept answers."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def collect(self) -> Iterator[Metric]:
        """Return the metrics."""
        keeper = self._keeper
        outcomes = CounterMetricFamily(
            "broadsheet_kept_answers", "Reads by outcome: hit, miss, collapsed, bypass.", labels=["outcome"]
        )
        outcomes.add_metric(["hit"], keeper.hits)
        outcomes.add_metric(["miss"], keeper.misses)
        outcomes.add_metric(["collapsed"], keeper.collapsed)
        outcomes.add_metric(["bypass"], keeper.bypassed)
        yield outcomes
        yield GaugeMetricFamily("broadsheet_kept_bytes", "Bytes of kept answers.", keeper.memory.size)
        yield GaugeMetricFamily("broadsheet_kept_now", "Answers that are kept.", len(keeper.memory))

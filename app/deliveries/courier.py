"""The task that sends due deliveries, several at a time, in the server or in a worker process."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from app.core.clock import now
from app.core.logs import get_logger
from app.db import Database
from app.db.outages import Outage
from app.db.signal import wait_for_work
from app.deliveries.claims import EndedAttempt, claim_deliveries, finish_deliveries, release_deliveries
from app.deliveries.lanes import reset_breaker
from app.deliveries.outbox import abandon_endpoint, find_next_turn
from app.deliveries.schemas import Channel, ClaimedDelivery, Outcome

MAX_RUNNING: Final = 128  # deliveries that one process sends at a time
GATHER_SECONDS: Final = 0.2  # between looks for due deliveries
MAX_RECORDED: Final = 32  # outcomes that one transaction records: a write beside it does not wait for long
RECORD_SECONDS: Final = 0.01  # between the end of an attempt and its record, in which others end
REFILL_SECONDS: Final = 0.005  # between the end of an attempt and the next look
RETRY_SECONDS: Final = 5.0  # pause after the database has failed
LEASE_MARGIN_SECONDS: Final = 20.0  # that a lease lasts beyond the timeout of an attempt
MAX_RETRY_AFTER_SECONDS: Final = 24 * 3600.0  # longest pause that a receiver can request
JITTER: Final = 0.1  # largest share of a delay that is added to it at random
MAX_CRASHES: Final = 10  # attempts without an outcome, because the process died, before a delivery is dead
STOP_SECONDS: Final = 5.0  # that running attempts have to end when the process stops
log = get_logger("broadsheet.deliveries")


class Courier:
    """Claims deliveries, sends them outside of any transaction, and records the outcomes.

    When its lease runs out, any process may claim a delivery again: a crash delays it, and it may be sent twice, but it
    is not lost. Receivers recognise it by its event.
    """

    def __init__(self, db: Database, channels: Sequence[Channel], chance: random.Random | None = None) -> None:
        self.db, self.channels = db, {channel.name: channel for channel in channels}
        self.done: Counter[tuple[str, str]] = Counter()  # outcomes by channel, for /metrics
        self._leases = {channel.name: channel.timeout + LEASE_MARGIN_SECONDS for channel in channels}
        self._chance = chance or random.Random()  # noqa: S311  spreads load, keeps no secret
        self._running: dict[asyncio.Task[None], ClaimedDelivery] = {}
        self._task: asyncio.Task[None] | None = None
        self._outage = Outage("courier")
        self._ended: list[EndedAttempt] = []  # whose outcomes are not recorded yet
        self._recording = asyncio.Lock()
        self._news = asyncio.Event()
        self._next: datetime | None = None  # when a lane has its next turn

    def start(self) -> None:
        """Start the task."""
        if self.channels:
            self._task = asyncio.create_task(self.run(), name="courier")

    async def stop(self) -> None:
        """Stop the task, wait for running attempts, and release the deliveries of those that take too long."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.wait_until_idle(STOP_SECONDS)
        if unfinished := dict(self._running):
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
            if self._ended:  # what was sent is recorded, or it would be sent again
                await self._write(self._ended)
            await self.db.write(release_deliveries, list(unfinished.values()))
        for channel in self.channels.values():
            await channel.stop()

    async def run(self) -> None:
        """Send deliveries until cancelled."""
        with self.db.commits.subscribe() as self._news:
            while True:
                self._news.clear()
                try:
                    if await self.run_once():
                        continue
                except Exception as error:
                    if not self._outage.note(error):
                        log.exception("deliveries could not be claimed")
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                await self._gather()
                await wait_for_work(self._news, self._until_due)

    async def _gather(self) -> None:
        """Let due deliveries gather; not for long when attempts have ended, as their lanes have room again."""
        if self._running:
            await asyncio.wait(self._running, timeout=GATHER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(REFILL_SECONDS)
        else:
            await asyncio.sleep(GATHER_SECONDS)

    def _until_due(self) -> float:
        """Return the seconds until a lane has its turn; forever while there is no room for its deliveries."""
        if self._next is None or len(self._running) >= MAX_RUNNING:
            return math.inf
        return (self._next - now()).total_seconds()

    async def run_once(self) -> bool:
        """Claim due deliveries and start to send them; return whether there were any."""
        room = MAX_RUNNING - len(self._running)
        self._next = await self.db.read(find_next_turn)
        self._outage.end()
        if room <= 0 or self._next is None or self._next > now():
            return False
        deliveries = await self.db.write(claim_deliveries, self._leases, room)
        for delivery in deliveries:
            task = asyncio.create_task(self._deliver(delivery))
            self._running[task] = delivery
            task.add_done_callback(self._note_end)
        return bool(deliveries)

    async def wait_until_idle(self, seconds: float | None = None) -> None:
        """Wait until no attempt is running, or for these seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._news.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery could not be finished", exc_info=error)  # it is retried when its lease runs out

    async def _deliver(self, delivery: ClaimedDelivery) -> None:
        channel = self.channels[delivery.channel]
        outcome = await self._attempt(channel, delivery)
        next_at = None
        if outcome.result == "retry":
            next_at = self._next_attempt(channel, delivery, outcome)
            outcome = outcome if next_at else outcome._replace(result="dead")
        if outcome.retry_after is not None:
            outcome = outcome._replace(retry_after=min(outcome.retry_after, MAX_RETRY_AFTER_SECONDS))
        await self._record(EndedAttempt(delivery, outcome, next_at))

    async def _record(self, attempt: EndedAttempt) -> None:
        """Record an outcome, together with those of attempts that end meanwhile."""
        self._ended.append(attempt)
        await asyncio.sleep(RECORD_SECONDS)
        async with self._recording:
            while attempt in self._ended:  # or else another task has recorded it
                attempts, self._ended = self._ended[:MAX_RECORDED], self._ended[MAX_RECORDED:]
                try:
                    await self._write(attempts)
                except Exception as error:
                    if len(attempts) == 1 or self._outage.note(error):
                        raise
                    await self._record_each(attempts)

    async def _write(self, attempts: Sequence[EndedAttempt]) -> None:
        await self.db.write(self._finish, attempts)
        self.done.update((delivery.channel, outcome.result) for delivery, outcome, _ in attempts)

    async def _record_each(self, attempts: Sequence[EndedAttempt]) -> None:
        """Record outcomes one by one, so that one that cannot be recorded does not keep others from it."""
        for attempt in attempts:
            try:
                await self._write([attempt])
            except Exception:
                log.exception("a delivery could not be finished", id=attempt.delivery.id)  # retried after its lease

    async def _attempt(self, channel: Channel, delivery: ClaimedDelivery) -> Outcome:
        if delivery.attempts > len(channel.schedule) + 1 + MAX_CRASHES:
            return Outcome("dead", error="too many attempts ended without an outcome", at_fault=False)
        try:
            async with asyncio.timeout(channel.timeout):
                return await channel.send(self.db, delivery)
        except Exception as error:
            log.warning("a delivery failed", id=delivery.id, channel=delivery.channel, exc_info=error)
            return Outcome("retry", error=type(error).__name__, at_fault=isinstance(error, TimeoutError))

    def _next_attempt(self, channel: Channel, delivery: ClaimedDelivery, outcome: Outcome) -> datetime | None:
        """Return the time of the next attempt, or None after the last one."""
        if delivery.attempts > len(channel.schedule):
            return None
        delay = channel.schedule[delivery.attempts - 1] * self._chance.uniform(1.0, 1.0 + JITTER)
        return now() + timedelta(seconds=max(delay, min(outcome.retry_after or 0.0, MAX_RETRY_AFTER_SECONDS)))

    def _finish(self, session: Session, attempts: Sequence[EndedAttempt]) -> None:
        reasons: dict[tuple[str, str, str], str] = {}
        for (delivery, outcome, _), health in zip(attempts, finish_deliveries(session, attempts), strict=True):
            if health is None:
                continue
            channel, since = self.channels[delivery.channel], health.failing_since
            reason = outcome.error if outcome.disable else ""
            if since and channel.patience and now() - since > channel.patience:
                reason = f"nothing could be delivered for {channel.patience.days} days"
            if reason:
                reasons[delivery.channel, delivery.endpoint, delivery.lane_id] = reason
        for (name, endpoint, lane_id), reason in sorted(reasons.items()):
            reset_breaker(session, lane_id)  # for the case that the endpoint is enabled again
            abandon_endpoint(session, channel=name, endpoint=endpoint, reason=reason)
            self.channels[name].disabled(session, endpoint, reason)

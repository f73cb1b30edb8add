"""Sending what is due, in `serve` beside the worker or in a process of its own, several at once."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from sqlmodel import Session

from app.core.clock import now
from app.db import Database
from app.deliveries.claims import claim_deliveries, finish_delivery, release_deliveries
from app.deliveries.lanes import reset_breaker
from app.deliveries.outbox import abandon_endpoint, is_due
from app.deliveries.schemas import Channel, ClaimedDelivery, Outcome

MAX_UNDER_WAY: Final = 128  # deliveries under way in one process
POLL_SECONDS: Final = 0.25  # seconds between looks
RETRY_SECONDS: Final = 5.0  # seconds to wait after the store has failed
LEASE_MARGIN_SECONDS: Final = 20.0  # seconds that a lease lasts beyond the longest attempt
MAX_RETRY_AFTER_SECONDS: Final = 24 * 3600.0  # seconds that a receiver may ask to be left alone
JITTER: Final = 0.1  # of a step, added: a schedule is never shorter than it says
MAX_CRASHES: Final = 10  # attempts that ended without an outcome, because the process did, before it is left
STOP_SECONDS: Final = 5.0  # seconds that what is under way has when the process ends
log = structlog.get_logger("broadsheet.deliveries")


class Courier:
    """Claims, sends outside of any transaction, and finishes; a lease that runs out is claimed again by anybody.

    So a crash delays a delivery and never loses it, and something may be sent twice, with the same event.
    """

    def __init__(self, db: Database, channels: Sequence[Channel], chance: random.Random | None = None) -> None:
        self.db, self.channels = db, {channel.name: channel for channel in channels}
        self.done: Counter[tuple[str, str]] = Counter()  # outcomes by channel, for /metrics
        self._leases = {channel.name: channel.timeout + LEASE_MARGIN_SECONDS for channel in channels}
        self._chance = chance or random.Random()  # noqa: S311  spreads load, keeps no secret
        self._under_way: dict[asyncio.Task[None], ClaimedDelivery] = {}
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def start(self) -> None:
        """Begin in the background."""
        if self.channels:
            self._task = asyncio.create_task(self.run(), name="courier")

    async def stop(self) -> None:
        """Let what is under way end within some seconds, and give back what does not."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self.wait_until_idle(STOP_SECONDS)
        if left := dict(self._under_way):
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self.db.write(release_deliveries, list(left.values()))
        for channel in self.channels.values():
            await channel.stop()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            pause = POLL_SECONDS
            try:
                if await self.run_once():
                    continue
            except Exception:
                log.exception("deliveries could not be claimed")
                pause = RETRY_SECONDS
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), pause)
            except TimeoutError:
                continue

    async def run_once(self) -> bool:
        """Take what is due and begin to send it; whether that was anything."""
        room = MAX_UNDER_WAY - len(self._under_way)
        if room <= 0 or not await self.db.read(is_due):
            return False
        pieces = await self.db.write(claim_deliveries, self._leases, room)
        for piece in pieces:
            task = asyncio.create_task(self._deliver(piece))
            self._under_way[task] = piece
            task.add_done_callback(self._note_end)
        return bool(pieces)

    async def wait_until_idle(self, seconds: float | None = None) -> None:
        """Wait until nothing is under way, or so long."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._under_way.pop(task, None)
        self._news.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("a delivery could not be finished", exc_info=error)  # its lease runs out, then it is tried again

    async def _deliver(self, piece: ClaimedDelivery) -> None:
        channel = self.channels[piece.channel]
        outcome = await self._attempt(channel, piece)
        next_at = None
        if outcome.result == "retry":
            next_at = self._next_attempt(channel, piece, outcome)
            outcome = outcome if next_at else outcome._replace(result="dead")
        await self.db.write(partial(self._finish, channel, piece, outcome, next_at))
        self.done[piece.channel, outcome.result] += 1

    async def _attempt(self, channel: Channel, piece: ClaimedDelivery) -> Outcome:
        if piece.attempts > len(channel.schedule) + 1 + MAX_CRASHES:
            return Outcome("dead", error="it was tried too often without an outcome", at_fault=False)
        try:
            async with asyncio.timeout(channel.timeout):
                return await channel.send(self.db, piece)
        except Exception as error:
            log.warning("a delivery failed", id=piece.id, channel=piece.channel, exc_info=error)
            return Outcome("retry", error=type(error).__name__, at_fault=isinstance(error, TimeoutError))

    def _next_attempt(self, channel: Channel, piece: ClaimedDelivery, outcome: Outcome) -> datetime | None:
        """When it is tried again; None after the last time."""
        if piece.attempts > len(channel.schedule):
            return None
        step = channel.schedule[piece.attempts - 1] * self._chance.uniform(1.0, 1.0 + JITTER)
        return now() + timedelta(seconds=max(step, min(outcome.retry_after or 0.0, MAX_RETRY_AFTER_SECONDS)))

    @staticmethod
    def _finish(
        channel: Channel, piece: ClaimedDelivery, outcome: Outcome, next_at: datetime | None, session: Session
    ) -> None:
        wait = None if outcome.retry_after is None else min(outcome.retry_after, MAX_RETRY_AFTER_SECONDS)
        health = finish_delivery(session, piece, outcome._replace(retry_after=wait), next_at)
        if health is None:
            return
        reason = outcome.error if outcome.disable else ""
        since = health.failing_since
        if since and channel.patience and now() - since > channel.patience:
            reason = f"nothing could be delivered for {channel.patience.days} days"
        if reason:
            reset_breaker(session, piece.lane_id)  # should the endpoint come back, it begins anew
            abandon_endpoint(session, channel=piece.channel, endpoint=piece.endpoint, reason=reason)
            channel.disabled(session, piece.endpoint, reason)

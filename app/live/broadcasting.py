"""Feeds the live streams of a process from the log: each event is read and encoded once for all of them."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator

from app.articles.tables import SITE_ID
from app.core.logs import get_logger
from app.core.problems import Gone, TooManyRequests, Unavailable
from app.core.settings import Settings
from app.db import Database
from app.db.outages import Outage
from app.events.catalog import CommentVoted
from app.events.log import find_settled_position, has_position, read_between
from app.events.schemas import Position
from app.live.messages import (
    BATCH_SIZE,
    build_frames,
    changes_counts,
    find_followed_article,
    make_site_frame,
    read_new_events,
)
from app.live.schemas import ArticleFrames, Batch, make_mark
from app.live.streams import Stream

POLL_SECONDS = 0.1  # between reads of the log
RETRY_SECONDS = 1.0  # pause after a failure
HEARTBEAT_SECONDS = 15.0
COUNTS_SECONDS = 1.0  # least time between two `counts` of an article
RECHECK_SECONDS = 1.0  # between checks of the keys of open streams
MAX_EVENTS_BEHIND = 10_000  # that a client can miss and still resume
YIELD_EVERY = 200  # streams, to let other tasks run
RETRY_AFTER_SECONDS = 5
log = get_logger("broadsheet.live")


class PositionGone(Gone, code="position_gone", title="The stream cannot resume at this position"):
    """The log does not have this position, or is more than 10,000 events ahead of it.

    Reload the page's data, and open the stream without `Last-Event-ID`.
    """


class TooManyStreams(TooManyRequests, code="too_many_streams", title="Too many open streams"):
    """This client or key has too many open streams."""


class Live:
    """The open streams of a process, and the task that feeds them; it pauses while there are none."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db, self._settings = db, settings
        self._articles: dict[str, set[Stream]] = {}
        self._integrators: set[Stream] = set()
        self._places: Counter[str] = Counter()  # streams held open by each caller
        self._position: Position | None = None  # up to which open streams have been sent everything
        self._seen: int | None = None
        self._due: dict[str, set[str]] = {}  # articles whose counts changed, and the comments voted on
        self._counted: dict[str, float] = {}  # when the counts of an article were last sent
        self._beat = self._checked = 0.0
        self._begun, self._wanted = asyncio.Lock(), asyncio.Event()
        self._is_ending = False
        self._outage = Outage("live streams")
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return self._places.total()

    def start(self) -> None:
        """Start the task."""
        self._task = asyncio.create_task(self._run(), name="live")

    async def stop(self) -> None:
        """End all streams, then the task."""
        self.leave()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def leave(self) -> None:
        """End all streams and accept no more, since the server is about to stop."""
        self._is_ending = True
        for stream in self._all():
            stream.end()

    def admit(self, stream: Stream) -> None:
        """Count one more stream; 503 if the process has too many, 429 if the caller has."""
        limit = self._settings.live_streams_per_caller
        if self._is_ending or len(self) >= self._settings.live_streams:
            raise Unavailable("The server has too many open streams. Try again later.", retry_after=RETRY_AFTER_SECONDS)
        if self._settings.rate_limits != "off" and self._places[stream.caller] >= limit:
            raise TooManyStreams(
                f"{limit} streams are open already. Close one first.", headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
            )
        self._places[stream.caller] += 1

    async def get_position(self) -> Position:
        """Return the position up to which open streams have been sent everything, from which a new one can start."""
        async with self._begun:
            if self._position is None or not (self._articles or self._integrators):
                self._position = await self._db.read(find_settled_position)
            return self._position

    async def find_start(self, last: Position | None) -> Position:
        """Return where a stream starts: after its client's last event, or now; 410 if the log does not have that."""
        current = await self.get_position()
        if last is None:
            return current
        is_too_old = current.seq - last.seq > MAX_EVENTS_BEHIND
        if is_too_old or not (last == current or await self._db.read(has_position, last)):
            raise PositionGone("Reload the page's data, and open the stream without Last-Event-ID.")
        return last

    async def open(self, stream: Stream) -> AsyncIterator[bytes]:
        """Yield what the client has missed, at its own pace, and the counts; then the task feeds the stream."""
        yield f"retry: {random.randint(1000, 4000)}\n".encode() + make_mark(stream.since)  # noqa: S311  spreads reconnects
        has_counts = stream.article_id is None
        while not stream.is_over:
            upto = await self.get_position()
            if upto > stream.since:
                yield await self._missed(stream, upto)
            elif not has_counts:
                has_counts = True
                yield await self._counts(str(stream.article_id), stream)
            elif upto == self._position:  # nothing has come during the wait
                self._join(stream)
                return

    async def _missed(self, stream: Stream, upto: Position) -> bytes:
        """Return the next events between a stream and this position."""
        entries = await self._db.scan(read_between, stream.since, upto, BATCH_SIZE, self._subjects_of(stream))
        reached = upto if len(entries) < BATCH_SIZE else entries[-1].position
        frames = ArticleFrames([make_site_frame(entry) for entry in entries if stream.wants(entry)], False)
        if stream.article_id and entries:
            followed, reactions = [stream.article_id], self._settings.reactions
            by_article = await self._db.scan(build_frames, Batch(entries, {}), followed, reactions)
            frames = by_article.get(stream.article_id, frames)
        sent = stream.choose(frames.frames) + make_mark(reached)
        stream.since = reached
        if frames.is_over:
            stream.end()
        return sent

    async def _counts(self, article_id: str, stream: Stream) -> bytes:
        batch = Batch([], {article_id: set()})
        by_article = await self._db.scan(build_frames, batch, (), self._settings.reactions)
        return stream.choose(by_article[article_id].frames)

    def _subjects_of(self, stream: Stream) -> list[str]:
        return [stream.article_id, SITE_ID, *stream.sections] if stream.article_id else []

    def _join(self, stream: Stream) -> None:
        if stream.article_id is None:
            self._integrators.add(stream)
        else:
            self._articles.setdefault(stream.article_id, set()).add(stream)
        self._wanted.set()

    def remove(self, stream: Stream) -> None:
        """Remove an admitted stream that has ended or whose client has disconnected."""
        stream.is_over = True
        self._places[stream.caller] -= 1
        if not self._places[stream.caller]:
            del self._places[stream.caller]
        self._integrators.discard(stream)
        if stream.article_id and (streams := self._articles.get(stream.article_id)):
            streams.discard(stream)
            if not streams:
                del self._articles[stream.article_id]
                self._due.pop(stream.article_id, None)
                self._counted.pop(stream.article_id, None)

    def _all(self) -> list[Stream]:
        return [*self._integrators, *(stream for streams in self._articles.values() for stream in streams)]

    async def _run(self) -> None:
        """Read and send events until cancelled; failures are logged, and retried after a pause."""
        while True:
            if not (self._articles or self._integrators):
                self._position = self._seen = None
                self._wanted.clear()
                await self._wanted.wait()
            try:
                has_more = await self._run_once()
            except Exception as error:
                if not self._outage.note(error):
                    log.exception("live streams could not be fed")
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self._outage.end()
            await asyncio.sleep(0 if has_more else POLL_SECONDS)

    async def _run_once(self) -> bool:
        """Read and send the next events; return whether there are more already."""
        self._seen, entries = await self._db.read(read_new_events, await self.get_position(), self._seen)
        if len(entries) == BATCH_SIZE:
            self._seen = None  # the next read must not be skipped
        clock = time.monotonic()
        for entry in entries:
            article_id = find_followed_article(entry)
            if article_id in self._articles and changes_counts(entry):
                voted = self._due.setdefault(article_id, set())
                voted |= {str(entry.subject_id)} if isinstance(entry.event, CommentVoted) else set()
        due = [article_id for article_id in self._due if clock - self._counted.get(article_id, 0.0) >= COUNTS_SECONDS]
        if entries or due:
            self._counted |= dict.fromkeys(due, clock)
            await self._send_batch(Batch(entries, {article_id: self._due.pop(article_id) for article_id in due}))
        if clock - self._beat >= HEARTBEAT_SECONDS:
            self._beat = clock
            await self._keep_alive(clock)
        if self._integrators and clock - self._checked >= RECHECK_SECONDS:
            self._checked = clock
            await self._recheck()
        return len(entries) == BATCH_SIZE

    async def _send_batch(self, batch: Batch) -> None:
        """Send a batch to the open streams; a stream that opens later starts after it."""
        articles = {article_id: list(streams) for article_id, streams in self._articles.items()}
        integrators = list(self._integrators)
        if batch.entries:
            self._position = batch.entries[-1].position
        try:
            by_article = await self._db.scan(build_frames, batch, articles, self._settings.reactions)
        except BaseException:  # they miss this batch, and resume before it
            for stream in (*integrators, *(each for streams in articles.values() for each in streams)):
                stream.end()
            raise
        frames = [(entry, make_site_frame(entry)) for entry in batch.entries] if integrators else []
        for stream in integrators:
            stream.put(stream.choose([frame for entry, frame in frames if stream.wants(entry)]))
        for article_id, article_frames in by_article.items():
            await self._send(articles.get(article_id, []), article_frames)

    async def _send(self, streams: list[Stream], article: ArticleFrames) -> None:
        first = next((frame.position for frame in article.frames if frame.position), None)
        shared = b"".join(frame.text for frame in article.frames)
        for number, stream in enumerate(streams, 1):
            stream.put(shared if first is None or stream.since < first else stream.choose(article.frames))
            if article.is_over:
                stream.end()
            if not number % YIELD_EVERY:
                await asyncio.sleep(0)

    async def _keep_alive(self, clock: float) -> None:
        """Send all streams their position, which advances without events, too; end those whose time is over."""
        position = await self.get_position()
        beat = make_mark(position)
        for number, stream in enumerate(self._all(), 1):
            stream.put(beat if stream.since <= position else b":\n\n")
            if clock >= stream.until:
                stream.end()
            if not number % YIELD_EVERY:
                await asyncio.sleep(0)

    async def _recheck(self) -> None:
        """End the streams of keys that have been changed, revoked or expired."""
        for stream in list(self._integrators):
            if stream.may_stay and not await stream.may_stay():
                stream.end()

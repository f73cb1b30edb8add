"""One tail of the log for all streams of a process: each event is read and encoded once, and its bytes are shared."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator

import structlog

from app.articles.tables import SITE_ID
from app.core.problems import Gone, TooManyRequests, Unavailable
from app.core.settings import Settings
from app.db import Database
from app.events.catalog import CommentVoted
from app.events.log import find_settled_position, has_position, read_between
from app.events.schemas import Position
from app.live.messages import MOST, article_of, is_counted, look, public_frame, tell
from app.live.schemas import Batch, Told, marked
from app.live.streams import Stream

PAUSE = 0.1  # seconds between looks at the log
RETRY = 1.0  # seconds to wait after a failure
HEARTBEAT = 15.0  # seconds
COUNTS_EVERY = 1.0  # seconds between two `counts` of one article
RECHECK = 1.0  # seconds between two looks at an integrator's key
BEHIND = 10_000  # facts that a client may have missed and still resume
AT_ONCE = 200  # streams that are written to before other work gets its turn
COME_BACK = 5  # seconds
log = structlog.get_logger("broadsheet.live")


class PositionGone(Gone):
    """Nobody can go on from this position: the log has forgotten it, never held it, or has gone on too far since.

    Load what is shown anew, and open the stream without `Last-Event-ID`.
    """

    code, title = "position_gone", "The stream cannot go on from this position"


class TooManyStreams(TooManyRequests):
    """This address or key holds as many streams open as it may."""

    code, title = "too_many_streams", "Too many open streams"


class Live:
    """The streams of a process and the tail that feeds them; it rests while there are none."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db, self._settings = db, settings
        self._articles: dict[str, set[Stream]] = {}
        self._integrators: set[Stream] = set()
        self._places: Counter[str] = Counter()  # streams held open by each caller
        self._position: Position | None = None  # of the tail: all before it was given to the streams that are open
        self._seen: int | None = None
        self._due: dict[str, set[str]] = {}  # articles whose counts changed, and the comments voted on
        self._counted: dict[str, float] = {}  # when an article's counts were told last
        self._beat = self._checked = 0.0
        self._begun, self._wanted = asyncio.Lock(), asyncio.Event()
        self._is_ending = False
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return self._places.total()

    def start(self) -> None:
        """Begin in the background."""
        self._task = asyncio.create_task(self._run(), name="live")

    async def stop(self) -> None:
        """End all streams, then the tail."""
        self.leave()
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def leave(self) -> None:
        """End all streams and take no more: the server is about to stop."""
        self._is_ending = True
        for stream in self._all():
            stream.end()

    def admit(self, stream: Stream) -> None:
        """Take one more stream: 503 if the process holds all it may, 429 if the caller does."""
        most = self._settings.live_streams_per_caller
        if self._is_ending or len(self) >= self._settings.live_streams:
            raise Unavailable("No more streams are opened here right now.", retry_after=COME_BACK)
        if self._settings.rate_limits != "off" and self._places[stream.caller] >= most:
            raise TooManyStreams(f"{most} streams are open already.", headers={"Retry-After": str(COME_BACK)})
        self._places[stream.caller] += 1

    async def here(self) -> Position:
        """Where the tail is, or begins: whoever starts here misses nothing that comes."""
        async with self._begun:
            if self._position is None or not (self._articles or self._integrators):
                self._position = await self._db.read(find_settled_position)
            return self._position

    async def since(self, asked: Position | None) -> Position:
        """Where a stream begins: where its client stopped, if the log still has that, else here."""
        here = await self.here()
        if asked is None:
            return here
        if here.seq - asked.seq > BEHIND or not (asked == here or await self._db.read(has_position, asked)):
            raise PositionGone("Load what is shown anew, and open the stream without Last-Event-ID.")
        return asked

    async def opening(self, stream: Stream) -> AsyncIterator[bytes]:
        """The first bytes: what the client missed, at its own pace, and the counts. Then the tail feeds the stream."""
        yield f"retry: {random.randint(1000, 4000)}\n".encode() + marked(stream.since)  # noqa: S311  not all at once
        is_counted = stream.article_id is None
        while not stream.is_over:
            upto = await self.here()
            if upto > stream.since:
                yield await self._missed(stream, upto)
            elif not is_counted:
                is_counted = True
                yield await self._counts(str(stream.article_id), stream)
            elif upto == self._position:  # no more than before that wait
                self._join(stream)
                return

    async def _missed(self, stream: Stream, upto: Position) -> bytes:
        """The next of what lies between a stream and the tail."""
        entries = await self._db.scan(read_between, stream.since, upto, MOST, self._about(stream))
        reached = upto if len(entries) < MOST else entries[-1].position
        told = Told([public_frame(entry) for entry in entries if stream.wants(entry)], False)
        if stream.article_id and entries:
            followed, reactions = [stream.article_id], self._settings.reactions
            found = await self._db.scan(tell, Batch(entries, {}), followed, reactions)
            told = found.get(stream.article_id, told)
        sent = stream.chosen(told.frames) + marked(reached)
        stream.since = reached
        if told.is_over:
            stream.end()
        return sent

    async def _counts(self, article_id: str, stream: Stream) -> bytes:
        batch = Batch([], {article_id: set()})
        found = await self._db.scan(tell, batch, (), self._settings.reactions)
        return stream.chosen(found[article_id].frames)

    def _about(self, stream: Stream) -> list[str]:
        return [stream.article_id, SITE_ID, *stream.sections] if stream.article_id else []

    def _join(self, stream: Stream) -> None:
        if stream.article_id is None:
            self._integrators.add(stream)
        else:
            self._articles.setdefault(stream.article_id, set()).add(stream)
        self._wanted.set()

    def part(self, stream: Stream) -> None:
        """Forget a stream that was admitted: it has ended or its client has gone."""
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
        """Look, tell, and again, until cancelled; a failure is logged and tried again after a while."""
        while True:
            if not (self._articles or self._integrators):
                self._position = self._seen = None
                self._wanted.clear()
                await self._wanted.wait()
            try:
                busy = await self._round()
            except Exception:
                log.exception("live streams wait")
                await asyncio.sleep(RETRY)
                continue
            await asyncio.sleep(0 if busy else PAUSE)

    async def _round(self) -> bool:
        """One look; whether there is more to read at once."""
        self._seen, entries = await self._db.read(look, await self.here(), self._seen)
        if len(entries) == MOST:
            self._seen = None  # there may be more without another commit
        clock = time.monotonic()
        for entry in entries:
            article_id = article_of(entry)
            if article_id in self._articles and is_counted(entry):
                voted = self._due.setdefault(article_id, set())
                voted |= {str(entry.subject_id)} if isinstance(entry.event, CommentVoted) else set()
        due = [one for one in self._due if clock - self._counted.get(one, 0.0) >= COUNTS_EVERY]
        if entries or due:
            self._counted |= dict.fromkeys(due, clock)
            await self._pass_on(Batch(entries, {one: self._due.pop(one) for one in due}))
        if clock - self._beat >= HEARTBEAT:
            self._beat = clock
            await self._keep_alive(clock)
        if self._integrators and clock - self._checked >= RECHECK:
            self._checked = clock
            await self._recheck()
        return len(entries) == MOST

    async def _pass_on(self, batch: Batch) -> None:
        """Give a batch to the streams that are open now: whoever comes later begins after it."""
        articles = {article_id: list(streams) for article_id, streams in self._articles.items()}
        integrators = list(self._integrators)
        if batch.entries:
            self._position = batch.entries[-1].position
        try:
            told = await self._db.scan(tell, batch, articles, self._settings.reactions)
        except BaseException:  # they have missed this batch: they come back and begin before it
            for stream in (*integrators, *(one for streams in articles.values() for one in streams)):
                stream.end()
            raise
        frames = [(entry, public_frame(entry)) for entry in batch.entries] if integrators else []
        for stream in integrators:
            stream.put(stream.chosen([frame for entry, frame in frames if stream.wants(entry)]))
        for article_id, found in told.items():
            await self._send(articles.get(article_id, []), found)

    async def _send(self, streams: list[Stream], told: Told) -> None:
        first = next((frame.position for frame in told.frames if frame.position), None)
        shared = b"".join(frame.text for frame in told.frames)
        for number, stream in enumerate(streams, 1):
            stream.put(shared if first is None or stream.since < first else stream.chosen(told.frames))
            if told.is_over:
                stream.end()
            if not number % AT_ONCE:
                await asyncio.sleep(0)

    async def _keep_alive(self, clock: float) -> None:
        """Tell everybody how far they are, so that none is behind who only heard nothing; end what is old."""
        here = await self.here()
        beat = marked(here)
        for number, stream in enumerate(self._all(), 1):
            stream.put(beat if stream.since <= here else b":\n\n")
            if clock >= stream.until:
                stream.end()
            if not number % AT_ONCE:
                await asyncio.sleep(0)

    async def _recheck(self) -> None:
        """End the streams of keys that were revoked or have expired."""
        for stream in list(self._integrators):
            if stream.may_stay and not await stream.may_stay():
                stream.end()

"""One open stream: sends to a client as fast as it reads."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from app.events.catalog import LoggedEvent
from app.events.schemas import Position
from app.events.staff_events import EditorialEvent, ModerationEvent
from app.live.schemas import Frame

NO_SECTIONS: Final = frozenset[str]()
MAX_WAITING_PIECES = 100  # for a slow client, before its stream ends
Emit = Callable[[bytes | None], Awaitable[None]]


class Stream:
    """An open stream with the pieces that wait to be sent, limited in number so that slow clients cost little."""

    __slots__ = (
        *("article_id", "caller", "draft_sections", "is_over", "moderated_sections", "may_stay", "sections", "since"),
        *("types", "until", "_emit", "_pieces", "_task"),
    )

    def __init__(
        self,
        caller: str,
        since: Position,
        *,
        article_id: str | None = None,
        sections: Sequence[str] = (),
        types: frozenset[str] = frozenset(),
        moderated_sections: frozenset[str] | None = NO_SECTIONS,
        draft_sections: frozenset[str] | None = NO_SECTIONS,
        may_stay: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.caller, self.since, self.may_stay = caller, since, may_stay
        self.article_id, self.sections, self.types = article_id, sections, types
        self.moderated_sections = moderated_sections  # whose moderation events are sent; None: all
        self.draft_sections = draft_sections  # whose editorial events are sent; None: all
        self.until = 0.0  # monotonic time
        self.is_over = False
        self._pieces: list[bytes] = []
        self._emit: Emit | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, emit: Emit, seconds: float) -> None:
        """Start to send with `emit`, for these seconds; None ends the response."""
        self._emit, self.until = emit, time.monotonic() + seconds
        if self._pieces or self.is_over:
            self._wake()

    def put(self, piece: bytes) -> None:
        """Send a piece when the client is ready; the stream of one that is too far behind ends, and it can resume."""
        if self.is_over or not piece:
            return
        if len(self._pieces) >= MAX_WAITING_PIECES:
            self._pieces.clear()
            self.end()
            return
        self._pieces.append(piece)
        self._wake()

    def end(self) -> None:
        """Send waiting pieces, then end the stream."""
        if not self.is_over:
            self.is_over = True
            self._wake()

    def wants(self, entry: LoggedEvent) -> bool:
        """Return whether this stream of the publication sends an event."""
        if entry.type not in self.types:
            return False
        if isinstance(entry.event, EditorialEvent):
            return entry.event.is_open_to(self.draft_sections)
        if self.moderated_sections is None or not isinstance(entry.event, ModerationEvent):
            return True
        return entry.event.section_id in self.moderated_sections

    def choose(self, frames: list[Frame]) -> bytes:
        """Join the frames that are new to this client, which may have been ahead of this process."""
        return b"".join(frame.text for frame in frames if frame.position is None or frame.position > self.since)

    def _wake(self) -> None:
        # Tasks exist only while there is something to send, since most streams are silent.
        if self._task is None and self._emit is not None:
            self._task = asyncio.create_task(self._send(self._emit))

    async def _send(self, emit: Emit) -> None:
        try:
            while self._pieces:
                pieces, self._pieces = self._pieces, []
                await emit(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        finally:
            self._task = None
        if self.is_over:
            await emit(None)

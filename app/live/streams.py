"""Sending to one client what is put in for it, as fast as it reads and no faster."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from app.events.catalog import LoggedEvent, ModerationEvent
from app.events.schemas import Position
from app.live.schemas import Frame

MOST_WAITING = 100  # pieces that wait for a slow reader before its stream ends
Emit = Callable[[bytes | None], Awaitable[None]]


class Stream:
    """One open stream, and what it has yet to send: bounded, so that a slow reader costs nothing more."""

    __slots__ = (
        *("article_id", "caller", "is_over", "key_sections", "may_stay", "sections", "since", "types", "until"),
        *("_emit", "_pieces", "_task"),
    )

    def __init__(
        self,
        caller: str,
        since: Position,
        *,
        article_id: str | None = None,
        sections: Sequence[str] = (),
        types: frozenset[str] = frozenset(),
        key_sections: frozenset[str] | None = None,
        may_stay: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.caller, self.since, self.may_stay = caller, since, may_stay
        self.article_id, self.sections, self.types = article_id, sections, types
        self.key_sections = key_sections  # moderation events of other sections are not sent; None: of all
        self.until = 0.0  # monotonic time
        self.is_over = False
        self._pieces: list[bytes] = []
        self._emit: Emit | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, emit: Emit, seconds: float) -> None:
        """Send by `emit` from now on what is put in; None is the end."""
        self._emit, self.until = emit, time.monotonic() + seconds
        if self._pieces or self.is_over:
            self._wake()

    def put(self, piece: bytes) -> None:
        """Send a piece as soon as the reader takes it. One who falls too far behind is sent away, to resume later."""
        if self.is_over or not piece:
            return
        if len(self._pieces) >= MOST_WAITING:
            self._pieces.clear()
            self.end()
            return
        self._pieces.append(piece)
        self._wake()

    def end(self) -> None:
        """Send what waits, then end."""
        if not self.is_over:
            self.is_over = True
            self._wake()

    def wants(self, entry: LoggedEvent) -> bool:
        """Whether an event of the whole publication is sent."""
        if entry.type not in self.types:
            return False
        if self.key_sections is None or not isinstance(entry.event, ModerationEvent):
            return True
        return entry.event.section_id in self.key_sections

    def chosen(self, frames: list[Frame]) -> bytes:
        """What is new to this reader, who may have been ahead of this process."""
        return b"".join(frame.text for frame in frames if frame.position is None or frame.position > self.since)

    def _wake(self) -> None:
        # A task is made when there is something to send, and none kept waiting: most streams are silent.
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

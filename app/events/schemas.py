"""What a fact looks like to those who state it and to those who read it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from app.web.responses import POSITION_PATTERN

_FORM = re.compile(POSITION_PATTERN)


class Position(NamedTuple):
    """A place in the log. Text form `xid.seq`, as in the header `Broadsheet-Position`."""

    xid: int
    seq: int

    def __str__(self) -> str:
        return f"{self.xid}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read the text form; ValueError for anything else."""
        if not _FORM.fullmatch(text):
            raise ValueError("not a position of this log")
        xid, _, seq = text.partition(".")
        found = cls(int(xid), int(seq))
        if max(found) >= 2**63:
            raise ValueError("not a position of this log")
        return found


START = Position(0, 0)
FORGOTTEN = "(forgotten)"  # among the cursors of readers: the last fact that was pruned
MOVED = "(moved)"  # there, too: what is added to the ids of transactions, for a server that begins to count anew


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that became true. Subclasses name their `name`, their fields and the cache groups they touch."""

    name: ClassVar[str]
    kinds: ClassVar[dict[str, type["Fact"]]] = {}

    subject_id: str

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            Fact.kinds[cls.name] = cls

    def groups(self) -> list[str]:
        """The cache groups whose kept answers this makes stale."""
        raise TypeError(f"{type(self).__name__} names no cache groups")

    def payload(self) -> dict[str, Any]:
        """The fields beyond the subject, as JSON."""
        return {name: value for name, value in vars(self).items() if name != "subject_id"}


@dataclass(frozen=True)
class Entry:
    """A fact as it stands in the log."""

    position: Position
    type: str
    subject_id: str | None
    at: datetime
    groups: list[str]
    payload: dict[str, Any]

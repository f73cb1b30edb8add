"""Positions in the log."""

import re
from typing import NamedTuple

from app.web.paging import POSITION_PATTERN

_FORM = re.compile(POSITION_PATTERN)


class Position(NamedTuple):
    """A position in the log. Its text form is `xid.seq`, as in the header `Broadsheet-Position`."""

    xid: int
    seq: int

    def __str__(self) -> str:
        return f"{self.xid}.{self.seq}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Parse the text form; ValueError for anything else."""
        if not _FORM.fullmatch(text):
            raise ValueError("not a position of this log")
        xid, _, seq = text.partition(".")
        position = cls(int(xid), int(seq))
        if max(position) >= 2**63:
            raise ValueError("not a position of this log")
        return position


START = Position(0, 0)
PRUNED_CURSOR = "(forgotten)"  # beside the cursors of consumers: the position of the last event that was pruned
XID_OFFSET_CURSOR = "(moved)"  # there, too: what is added to transaction ids on a server where they are lower

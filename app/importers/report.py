"""The report of an import: counts per kind, and a line for everything that was not imported unchanged."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from app.db.rows import JsonObject
from app.text.inputs import make_excerpt

Outcome = Literal["new", "updated", "unchanged", "kept", "skipped", "refused", "failed"]
OUTCOMES: Final = {
    "came": "in the file",
    "new": "created",
    "updated": "changed in the file since the last import, and updated",
    "unchanged": "imported before, and unchanged",
    "kept": "left alone: it existed already, or was edited or deleted in Broadsheet",
    "skipped": "nothing to import, such as trash; menus are kept as data",
    "refused": "of a type that Broadsheet does not have",
    "failed": "could not be imported",
    "altered": "among new and updated: imported with differences",
}


class Line(NamedTuple):
    """Something that was not imported unchanged, and the reasons; `id` is its id in the source."""

    kind: str
    id: str
    title: str
    outcome: Outcome
    reasons: list[str]


class Report:
    """Counts in memory and lines on disk, so that its memory does not grow with the import."""

    def __init__(self, source: str, *, dry_run: bool) -> None:
        self.source, self.dry_run = source, dry_run
        self.kinds: dict[str, Counter[str]] = {}
        self.left_out: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()  # kept as data
        self.comments: Counter[str] = Counter()
        self.notes: list[str] = []  # about the files as a whole
        self._lines = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  closed by `close`

    def add(self, kind: str, id: str, title: str, outcome: Outcome, reasons: Sequence[str] = ()) -> None:
        """Count one thing, and add a line unless it was imported unchanged or skipped."""
        counts = self.kinds.setdefault(kind, Counter())
        counts["came"] += 1
        counts[outcome] += 1
        is_written = outcome in {"new", "updated"}
        counts["altered"] += bool(is_written and reasons)
        if outcome in {"kept", "refused", "failed"} or (is_written and reasons):
            line = Line(kind, id, make_excerpt(title, 60), outcome, list(reasons))
            self._lines.write(json.dumps(line) + "\n")

    @property
    def failures(self) -> int:
        """The number of things that could not be imported."""
        return sum(counts["failed"] for counts in self.kinds.values())

    def lines(self) -> Iterator[Line]:
        """Iterate over the lines in the order of the import."""
        self._lines.seek(0)
        for text in self._lines:
            yield Line(*json.loads(text))

    def summary(self) -> JsonObject:
        """Return everything except the lines, as JSON."""
        return {
            "source": self.source,
            "dry_run": self.dry_run,
            "notes": self.notes,
            "kinds": {kind: {name: counts[name] for name in OUTCOMES} for kind, counts in self.kinds.items()},
            "comments": dict(sorted(self.comments.items())),
            "kept_as_data": {label: n for label, n in sorted(self.kept.items()) if n},
            "left_out": {label: n for label, n in sorted(self.left_out.items()) if n},
        }

    def close(self) -> None:
        """Delete the lines."""
        self._lines.close()

"""What an import did: numbers for each kind, and a line for everything that did not come as it was."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

from app.text.inputs import make_excerpt

Outcome = Literal["new", "updated", "unchanged", "kept", "skipped", "refused", "failed"]
OUTCOMES: Final = {
    "came": "in the file",
    "new": "made",
    "updated": "changed in the file since the last import, and now here",
    "unchanged": "imported before and the same",
    "kept": "left as it is here: it was here before, or was edited or deleted here since",
    "skipped": "nothing to import, such as trash; menus are kept as data",
    "refused": "of a kind that has no place here",
    "failed": "should have been imported and could not be",
    "altered": "among new and updated: not exactly as it was",
}


class Line(NamedTuple):
    """Something that did not come as it was, and why; `id` is its id in the source."""

    kind: str
    id: str
    title: str
    outcome: Outcome
    reasons: list[str]


class Report:
    """Counts in memory and lines on disk, so that it stays small however much is imported."""

    def __init__(self, source: str, *, dry_run: bool) -> None:
        self.source, self.dry_run = source, dry_run
        self.kinds: dict[str, Counter[str]] = {}
        self.left_out: Counter[str] = Counter()
        self.kept: Counter[str] = Counter()  # as data for what comes later
        self.comments: Counter[str] = Counter()
        self.notes: list[str] = []  # about the files as a whole
        self._lines = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  closed with the report

    def add(self, kind: str, id: str, title: str, outcome: Outcome, reasons: Sequence[str] = ()) -> None:
        """Count one thing; it gets a line unless it came as it was, or brings nothing."""
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
        """How many things should have been imported and could not be."""
        return sum(counts["failed"] for counts in self.kinds.values())

    def lines(self) -> Iterator[Line]:
        """All lines in the order of the import."""
        self._lines.seek(0)
        for text in self._lines:
            yield Line(*json.loads(text))

    def summary(self) -> dict[str, Any]:
        """All but the lines, ready for JSON."""
        return {
            "source": self.source,
            "dry_run": self.dry_run,
            "notes": self.notes,
            "kinds": {kind: {name: counts[name] for name in OUTCOMES} for kind, counts in self.kinds.items()},
            "comments": dict(sorted(self.comments.items())),
            "kept_as_data": {what: n for what, n in sorted(self.kept.items()) if n},
            "left_out": {what: n for what, n in sorted(self.left_out.items()) if n},
        }

    def close(self) -> None:
        """Forget the lines."""
        self._lines.close()

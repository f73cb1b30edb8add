"""Finding a passage of one text again in another: pure functions that would rather lose it than place it wrongly."""

from app.anchors.resolution.find import MOST_PLACES, occurrences, resolve
from app.anchors.resolution.texts import ORPHANED, Pair, Passage, Resolution, Text, trimmed

__all__ = ["MOST_PLACES", "ORPHANED", "Pair", "Passage", "Resolution", "Text", "occurrences", "resolve", "trimmed"]

"""What a change of an article brings with it: counts of terms, places in lists, the index of searches, and events.

Effects are written at once after a single change. Where one transaction changes many articles they are gathered and
written together: hundreds of articles have few terms, and one statement takes many rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles.periods import write_periods
from app.articles.tables import Article, ArticleAuthor, ArticleTag, Revision
from app.core.clock import now
from app.db.columns import table_of
from app.db.rows import JsonObject
from app.events.base import EventBase
from app.events.log import emit_all
from app.publication.tallies import Kind, ShownKind, adjust_counts, adjust_shown_counts

EFFECTS_KEY: Final = "effects"
"""Key in a session's info: the effects that are gathered."""
_REVISION, _LINKS = table_of(Revision), (table_of(ArticleAuthor), table_of(ArticleTag))
_MARK_SEEN = (
    sa.update(_REVISION)
    .where(
        _REVISION.c.article_id == sa.bindparam("article", type_=_REVISION.c.article_id.type),
        _REVISION.c.n == sa.bindparam("number", type_=sa.Integer()),
        _REVISION.c.published_at.is_(None),
    )
    .values(published_at=sa.bindparam("moment", type_=_REVISION.c.published_at.type))
)
_PLACE_LINKS = [
    sa.update(links)
    .where(links.c.article_id == sa.bindparam("article", type_=links.c.article_id.type))
    .values(listed=sa.bindparam("is_listed"), listed_at=sa.bindparam("moment", type_=links.c.listed_at.type))
    for links in _LINKS
]


Index = Callable[[Session, Article], None]
"""Updates the index of searches to what readers see of an article: `IndexArticle` of `projection.py`."""


@dataclass
class Effects:
    """Effects that are not written yet."""

    seen: list[JsonObject] = field(default_factory=list)  # revisions that readers may see for the first time
    placed: dict[str, JsonObject] = field(default_factory=dict)  # by article: its place in lists of its terms
    counts: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    shown: Counter[tuple[ShownKind, str]] = field(default_factory=Counter)
    periods: dict[str, JsonObject | None] = field(default_factory=dict)  # by article: what readers see from now on
    moment: datetime | None = None  # at which all of them become public, or are withdrawn
    linked: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # what was read of links, terms and rules
    terms: dict[str, dict[str, str | None]] = field(default_factory=dict)
    rules: dict[str | None, object] = field(default_factory=dict)
    above: dict[str, list[str]] = field(default_factory=dict)  # by section: those above it, and itself
    indexed: dict[str, Article] = field(default_factory=dict)
    events: list[EventBase] = field(default_factory=list)

    def count(self, kind: Kind, before: frozenset[str], after: frozenset[str]) -> None:
        """Count an article under the terms that it has now, and no more under those that it had."""
        self.counts.subtract((kind, term_id) for term_id in before - after)
        self.counts.update((kind, term_id) for term_id in after - before)

    def count_shown(self, kind: ShownKind, before: frozenset[str], after: frozenset[str]) -> None:
        """Count an article among those with which terms and pictures are shown."""
        self.shown.subtract((kind, term_id) for term_id in before - after)
        self.shown.update((kind, term_id) for term_id in after - before)


def find_gathered(session: Session) -> Effects | None:
    """Return the effects that are being gathered; None where they are written at once."""
    return cast("Effects | None", session.info.get(EFFECTS_KEY))


@contextmanager
def gather_effects(session: Session, index_article: Index, moment: datetime) -> Iterator[None]:
    """Gather the effects of changes at a moment within the context, and write them at its end with the changes.

    Nothing is flushed before that: within the context, no query may ask for what was changed in it.
    """
    effects = session.info[EFFECTS_KEY] = Effects(moment=moment)
    try:
        with session.no_autoflush:
            yield
    finally:
        del session.info[EFFECTS_KEY]
    write_effects(session, index_article, effects)


K = TypeVar("K", bound=ShownKind)


def _group(counts: Mapping[tuple[K, str], int]) -> dict[tuple[K, int], list[str]]:
    """Group the ids of terms by their kind and by what is added to their counts."""
    groups: dict[tuple[K, int], list[str]] = {}
    for (kind, term_id), delta in sorted(counts.items()):
        if delta:
            groups.setdefault((kind, delta), []).append(term_id)
    return groups


def write_effects(session: Session, index_article: Index, effects: Effects) -> None:
    """Write effects after the changes that they belong to; the events come last, in their order."""
    session.flush()
    connection = session.connection()
    if effects.seen:
        connection.execute(_MARK_SEEN, effects.seen)
    if effects.placed:
        rows = list(effects.placed.values())
        for place_links in _PLACE_LINKS:
            connection.execute(place_links, rows)
    if effects.periods:
        write_periods(session, effects.periods, effects.moment or now())
    _write_counts(session, effects)
    for article in effects.indexed.values():
        index_article(session, article)
    emit_all(session, effects.events)


def _write_counts(session: Session, effects: Effects) -> None:
    for (kind, delta), ids in _group(effects.counts).items():
        # Sections above others are counted once for each of these.
        parts: Sequence[list[str]] = [[each] for each in ids] if kind == "section" else [ids]
        for part in parts:
            adjust_counts(session, kind, part, delta)
    for (shown, delta), ids in _group(effects.shown).items():
        adjust_shown_counts(session, shown, ids, delta)

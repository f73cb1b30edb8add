"""What discussions are set to, and their counts: columns for other reads, and reads of their own."""

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement
from sqlmodel import Session

from app.articles.tables import SITE, Article, ArticleTally, Discussion
from app.core.clock import now
from app.core.ids import is_id
from app.db.columns import ID, Row, as_text, moment, table_of
from app.db.prepared import Prepared
from app.publication import terms as sections
from app.publication.section_tree import CLOSURE, find_ancestors
from app.publication.tables import Section

BUILT_IN = {"state": "open", "prompt": "What do you think?", "moderation": "post", "close_after_days": 0}
A, T, _SECTION = table_of(Article), table_of(ArticleTally), table_of(Section)
_D = table_of(Discussion)
_OWN = _D.alias("own_discussion")
_INHERITED = tuple(BUILT_IN)
_SITE = sa.cast(sa.literal_column(f"'{SITE}'"), ID)


class Rules(NamedTuple):
    """What holds for an article's discussion right now."""

    state: str  # open, closed, hidden
    prompt: str | None
    moderation: str  # post, pre
    closes_at: datetime | None


class Context(NamedTuple):
    """What posting a comment has to know of its article."""

    article_id: str
    slug: str
    public: bool
    revision: int | None  # number of the revision published last; null: readers never saw any
    section_id: str | None
    series_id: str | None
    published_at: datetime | None
    language: str
    rules: Rules


def _of_sections(section: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    """What the section sets for its articles, or the nearest of those it is inside of that sets anything."""
    above = CLOSURE.join(_D, _D.c.target_id == CLOSURE.c.ancestor_id)
    nearest = (
        sa.select(_D.c[name]).select_from(above).where(CLOSURE.c.descendant_id == section, _D.c[name].is_not(None))
    )
    return nearest.order_by(CLOSURE.c.depth).limit(1).correlate(section.table).scalar_subquery()


def _inherited_settings(section: ColumnElement[Any] | None) -> list[ColumnElement[Any]]:
    """What is set, from the narrowest level to the site's, whose row is read once for a whole list."""
    found: list[ColumnElement[Any]] = []
    for name in _INHERITED:
        site = sa.select(_D.c[name]).where(_D.c.target_id == _SITE).scalar_subquery()
        levels = [_OWN.c[name], *([_of_sections(section, name)] if section is not None else []), site]
        found.append(sa.func.coalesce(*levels).label(f"set_{name}"))
    return found


RULES = [
    *_inherited_settings(A.c.section_id),
    as_text(_OWN.c.closes_at).label("set_closes_at"),
    as_text(A.c.published_at).label("set_from"),
]
"""Columns for `rules`, of a query that is `joined`."""
_TEXT = sa.Text()
_NUMBERS = (
    sa.cast(T.c.comments, _TEXT)
    + sa.literal_column("','", _TEXT)
    + sa.cast(T.c.inline, _TEXT)
    + sa.literal_column("','", _TEXT)
    + sa.cast(T.c.reactions, _TEXT)
)
TALLY = (sa.literal_column("'['", _TEXT) + _NUMBERS + sa.literal_column("']'", _TEXT)).label("tally")
"""The counts as JSON in one column: many articles have the same. Null where there is no row."""
COLUMNS = [*RULES, TALLY]
"""Columns for `shown`, of a query that is `joined`, with its tally."""


def joined(tables: Any, *, tally: bool = True) -> Any:
    """Articles with what `RULES`, and with their tally `COLUMNS`, are made of."""
    tables = tables.outerjoin(_OWN, _OWN.c.target_id == A.c.id)
    return tables.outerjoin(T, T.c.article_id == A.c.id) if tally else tables


def _time(text: str | None) -> datetime | None:
    return None if text is None else moment(text).astimezone(UTC)


def _standing(
    state: str | None,
    prompt: str | None,
    moderation: str | None,
    days: int | None,
    closes: str | None,
    since: str | None,
) -> Rules:
    """What is set, whatever the time is."""
    closes_at = _time(closes)
    if closes_at is None and days and since is not None:
        begun = moment(since).astimezone(UTC)
        with contextlib.suppress(OverflowError):  # after the end of the calendar: never
            closes_at = begun + timedelta(days=days)
    asked = BUILT_IN["prompt"] if prompt is None else prompt
    return Rules(state or "open", str(asked) or None, moderation or "post", closes_at)


def _at(found: Rules, at: datetime) -> Rules:
    is_over = found.closes_at is not None and found.closes_at <= at
    return found._replace(state="closed") if is_over and found.state == "open" else found


def _set_in(row: Row) -> Rules:
    return _standing(*(row[f"set_{name}"] for name in (*_INHERITED, "closes_at", "from")))


def rules(row: Row, at: datetime | None = None) -> Rules:
    """What holds now, or at a moment, of a row with the columns `RULES`."""
    return _at(_set_in(row), at or now())


def is_open(found: Rules) -> bool:
    """Whether readers may write."""
    return found.state == "open"


def named(totals: dict[str, int], names: Sequence[str]) -> dict[str, int]:
    """How often each of the reactions that the publication offers was chosen; 0 for what nobody chose."""
    return {name: totals.get(name, 0) for name in names}


def shown(row: Row, names: Sequence[str]) -> dict[str, Any]:
    """`discussion` and `reactions` of an article, of a row with the columns `COLUMNS`."""
    return _together(rules(row), _counted(row["tally"], names))


def kept(row: Row) -> str:
    """What is set for an article's discussion, of a row with the columns `RULES`, as it is kept beside its card."""
    return pydantic_core.to_json(_set_in(row)).decode()


def _read(text: str) -> Rules:
    state, prompt, moderation, closes_at = json.loads(text)
    return Rules(state, prompt, moderation, _time(closes_at))


@lru_cache(4096)
def _ready(text: str, tally: str | None, names: tuple[str, ...]) -> tuple[datetime | None, bytes, bytes]:
    """When a discussion closes, and the members of its JSON before and after."""
    found, counts = _read(text), _counted(tally, names)
    closed = found._replace(state="closed") if found.state == "open" else found
    before, after = (pydantic_core.to_json(_together(rules, counts))[1:-1] for rules in (found, closed))
    return found.closes_at, before, after


def shown_json(text: str, tally: str | None, names: tuple[str, ...], at: datetime) -> bytes:
    """The same as members of a JSON object, of what is `kept` and of `TALLY`: made once for all that are alike."""
    closes_at, before, after = _ready(text, tally, names)
    return before if closes_at is None or at < closes_at else after


def _together(found: Rules, counts: dict[str, Any]) -> dict[str, Any]:
    discussion = {"state": found.state, "prompt": found.prompt, "comments": counts["comments"]}
    discussion |= {"inline": counts["inline"], "closes_at": found.closes_at}
    return {"discussion": discussion, "reactions": counts["reactions"]}


def _counted(tally: str | None, names: Sequence[str]) -> dict[str, Any]:
    comments, inline, totals = json.loads(tally) if tally else (0, 0, {})
    return {"comments": comments, "inline": inline, "reactions": named(totals, names)}


_SETTINGS = [_OWN.c[name].label(f"own_{name}") for name in (*_INHERITED, "closes_at")]
_SETTINGS.append(sa.func.coalesce(_OWN.c.version, 0).label("version"))


def _by_ref(query: sa.Select[Any]) -> dict[bool, sa.Select[Any]]:
    """The same for one article by id, or by slug."""
    columns = {True: A.c.id, False: A.c.slug}
    return {by_id: query.where(c == sa.bindparam("ref", type_=c.type)) for by_id, c in columns.items()}


_NOTHING = [sa.null().label("set_closes_at"), sa.null().label("set_from")]
_SITE_ROW = sa.select(_SITE.label("id")).subquery()
_OF_SITE = sa.select(_SITE_ROW.c.id, *_SETTINGS, *_inherited_settings(None), *_NOTHING).select_from(
    _SITE_ROW.outerjoin(_OWN, _OWN.c.target_id == _SITE_ROW.c.id)
)
_OF_SECTION = sa.select(
    _SECTION.c.id, _SECTION.c.slug, *_SETTINGS, *_inherited_settings(_SECTION.c.id), *_NOTHING
).select_from(_SECTION.outerjoin(_OWN, _OWN.c.target_id == _SECTION.c.id))
_OF_ARTICLE = _by_ref(
    sa.select(A.c.id, A.c.state, A.c.public, A.c.due_at, A.c.section_id, *_SETTINGS, *RULES).select_from(
        joined(A, tally=False)
    )
)


def of_site(connection: sa.Connection, _ref: str = SITE) -> sa.RowMapping:
    """How the discussions of the whole publication are set: a row for `present`."""
    return connection.execute(_OF_SITE).mappings().one()


def of_section(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """The same for a section by id or slug."""
    return sections.by_ref(connection, _OF_SECTION, ref)


def of_article(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """The same for an article by id or slug, whoever may see it."""
    return connection.execute(_OF_ARTICLE[is_id(ref)], {"ref": ref}).mappings().first()


def present(row: Row) -> dict[str, Any]:
    """Settings in the shape of `DiscussionSettingsOut`, with the version that `If-Match` names."""
    own = {name: row[f"own_{name}"] for name in (*_INHERITED, "closes_at")}
    days = row["set_close_after_days"] or 0
    return {"own": own, "effective": {**rules(row)._asdict(), "close_after_days": days}, "version": row["version"]}


_COUNTS = (
    sa.select(A.c.id, A.c.slug, TALLY)
    .select_from(A.outerjoin(T, T.c.article_id == A.c.id))
    .where(
        A.c.public,
        A.c.id.in_(sa.bindparam("ids", expanding=True, type_=A.c.id.type))
        | A.c.slug.in_(sa.bindparam("slugs", expanding=True, type_=A.c.slug.type)),
    )
)


def counts(connection: sa.Connection, refs: Sequence[str], names: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The ids of public articles, and their counts by the ids and slugs they were asked for with, in that order."""
    asked = {"ids": [ref for ref in refs if is_id(ref)], "slugs": [ref for ref in refs if not is_id(ref)]}
    rows = connection.execute(_COUNTS, asked).mappings().all()
    found = {row[key]: _counted(row["tally"], names) for row in rows for key in ("id", "slug")}
    return sorted(row["id"] for row in rows), {ref: found[ref] for ref in refs if ref in found}


_LEVELS = sa.select(_D.c.target_id, _D.c.state, _D.c.closed_at).where(
    _D.c.target_id.in_(sa.bindparam("levels", expanding=True, type_=_D.c.target_id.type))
)


def closed_at(store: sa.Connection | Session, article: Context) -> datetime | None:
    """When a discussion that is closed was: by its time, or by hand where the narrowest setting says so."""
    above = find_ancestors(store, article.section_id) if article.section_id else []
    levels = [article.article_id, *above, SITE]
    held = {row.target_id: row for row in store.execute(_LEVELS, {"levels": levels}) if row.state is not None}
    by_hand = next((held[level].closed_at for level in levels if level in held), None)
    by_time = article.rules.closes_at
    return min((at for at in (by_hand, by_time) if at is not None), default=None)


# Of one article the site's row is joined: four subqueries for it would cost more than all the rest.
_OF_ALL = _D.alias("site_discussion")
_HELD = [sa.func.coalesce(_OWN.c[name], _of_sections(A.c.section_id, name), _OF_ALL.c[name]) for name in _INHERITED]
_CONTEXTS = _by_ref(
    sa.select(A.c.id, A.c.slug, A.c.public, A.c.published_revision, A.c.section_id, A.c.series_id, A.c.language)
    .add_columns(*_HELD, *RULES[len(_INHERITED) :])
    .select_from(joined(A, tally=False).outerjoin(_OF_ALL, _OF_ALL.c.target_id == _SITE))
)
_CONTEXT = {by_id: Prepared(query) for by_id, query in _CONTEXTS.items()}


def context(where: sa.Connection | Session, ref: str) -> Context | None:
    """What posting has to know of an article by id or slug, whoever may see it; None if there is none."""
    row = _CONTEXT[is_id(ref)].first(where, {"ref": ref})
    if row is None:
        return None
    article_id, slug, public, revision, section_id, series_id, language, *held = row
    published_at = _time(held[-1])
    found = _at(_standing(*held), now())
    return Context(article_id, slug, public, revision, section_id, series_id, published_at, language, found)

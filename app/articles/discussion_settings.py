"""Reading discussion settings and counts: columns for other statements, and statements of their own."""

import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypedDict, TypeVar, cast

import pydantic_core
import sqlalchemy as sa
from sqlmodel import Session

from app.articles.tables import SITE_ID, Article, ArticleTally, Discussion
from app.core.clock import now
from app.core.ids import is_id
from app.db.columns import ID, as_sort_text, json_rows, parse_time, table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, Statement, fetch_row, fetch_rows, get_row
from app.publication.section_tree import CLOSURE, find_ancestors
from app.publication.tables import Section
from app.publication.terms import find_term

T = TypeVar("T")
DEFAULTS = {"state": "open", "prompt": "What do you think?", "moderation": "post", "close_after_days": 0}
ARTICLE, ARTICLE_TALLY, _SECTION = table_of(Article), table_of(ArticleTally), table_of(Section)
_DISCUSSION = table_of(Discussion)
_OWN = _DISCUSSION.alias("own_discussion")
_INHERITED = tuple(DEFAULTS)
_SITE_TARGET = sa.cast(sa.literal_column(f"'{SITE_ID}'"), ID)


class DiscussionRules(NamedTuple):
    """The rules that apply to an article's discussion."""

    state: str  # open, closed, hidden
    prompt: str | None
    moderation: str  # post, pre
    closes_at: datetime | None


class DiscussionSummary(TypedDict):
    """The member `discussion` of an article's JSON."""

    state: str
    prompt: str | None
    comments: int
    inline: int
    closes_at: datetime | None


class DiscussionMembers(TypedDict):
    """The members of an article's JSON that are not cached."""

    discussion: DiscussionSummary
    reactions: dict[str, int]


class Counts(TypedDict):
    """Numbers of an article's published comments, of those on passages, and of its reactions by name."""

    comments: int
    inline: int
    reactions: dict[str, int]


class PostingContext(NamedTuple):
    """The facts about an article that decide whether and how comments are posted."""

    article_id: str
    slug: str
    public: bool
    revision: int | None  # number of the revision published last; null: none ever was
    section_id: str | None
    series_id: str | None
    published_at: datetime | None
    language: str
    rules: DiscussionRules


def _nearest_section_setting(section: Column, name: str) -> Column:
    """Select a setting of the nearest section at or above one that has it."""
    above = CLOSURE.join(_DISCUSSION, _DISCUSSION.c.target_id == CLOSURE.c.ancestor_id)
    nearest = (
        sa.select(_DISCUSSION.c[name])
        .select_from(above)
        .where(CLOSURE.c.descendant_id == section, _DISCUSSION.c[name].is_not(None))
    )
    return nearest.order_by(CLOSURE.c.depth).limit(1).correlate(section.table).scalar_subquery()


def _effective_columns(section: Column | None) -> list[Column]:
    """Select the effective settings, from the narrowest level to the site, whose row is read only once."""
    columns: list[Column] = []
    for name in _INHERITED:
        site = sa.select(_DISCUSSION.c[name]).where(_DISCUSSION.c.target_id == _SITE_TARGET).scalar_subquery()
        levels = [_OWN.c[name], *([_nearest_section_setting(section, name)] if section is not None else []), site]
        columns.append(sa.func.coalesce(*levels).label(f"set_{name}"))
    return columns


RULE_COLUMNS = [
    *_effective_columns(ARTICLE.c.section_id),
    as_sort_text(_OWN.c.closes_at).label("set_closes_at"),
    as_sort_text(ARTICLE.c.published_at).label("set_from"),
]
"""Columns for `rules_of`, in a statement over `join_discussion`."""
_TEXT = sa.Text()
_COUNTERS = (
    sa.cast(ARTICLE_TALLY.c.comments, _TEXT)
    + sa.literal_column("','", _TEXT)
    + sa.cast(ARTICLE_TALLY.c.inline, _TEXT)
    + sa.literal_column("','", _TEXT)
    + sa.cast(ARTICLE_TALLY.c.reactions, _TEXT)
)
TALLY_COLUMN = (sa.literal_column("'['", _TEXT) + _COUNTERS + sa.literal_column("']'", _TEXT)).label("tally")
"""The counts as JSON in one column, so that equal counts are parsed once. Null without a row."""
DISCUSSION_COLUMNS = [*RULE_COLUMNS, TALLY_COLUMN]
"""Columns for `present_discussion`, in a statement over `join_discussion` with the tally."""


def join_discussion(tables: sa.FromClause, *, tally: bool = True) -> sa.FromClause:
    """Join articles with the tables of `RULE_COLUMNS`, and with their tally for `DISCUSSION_COLUMNS`."""
    tables = tables.outerjoin(_OWN, _OWN.c.target_id == ARTICLE.c.id)
    return tables.outerjoin(ARTICLE_TALLY, ARTICLE_TALLY.c.article_id == ARTICLE.c.id) if tally else tables


def _parse_time(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text).astimezone(UTC)


def _stored_rules(
    state: str | None,
    prompt: str | None,
    moderation: str | None,
    days: int | None,
    closes: str | None,
    since: str | None,
) -> DiscussionRules:
    """Return the rules as stored, before the closing time is applied."""
    closes_at = _parse_time(closes)
    if closes_at is None and days and since is not None:
        start = parse_time(since).astimezone(UTC)
        with contextlib.suppress(OverflowError):  # after the end of the calendar: never
            closes_at = start + timedelta(days=days)
    question = DEFAULTS["prompt"] if prompt is None else prompt
    return DiscussionRules(state or "open", str(question) or None, moderation or "post", closes_at)


def _rules_at(rules: DiscussionRules, at: datetime) -> DiscussionRules:
    is_over = rules.closes_at is not None and rules.closes_at <= at
    return rules._replace(state="closed") if is_over and rules.state == "open" else rules


class RulesRow(TypedDict):
    """A row with `RULE_COLUMNS`."""

    set_state: str | None
    set_prompt: str | None
    set_moderation: str | None
    set_close_after_days: int | None
    set_closes_at: str | None
    set_from: str | None


class DiscussionRow(RulesRow):
    """A row with `DISCUSSION_COLUMNS`."""

    tally: str | None


def _stored_rules_of(row: RulesRow) -> DiscussionRules:
    return _stored_rules(
        row["set_state"],
        row["set_prompt"],
        row["set_moderation"],
        row["set_close_after_days"],
        row["set_closes_at"],
        row["set_from"],
    )


def rules_of(row: RulesRow, at: datetime | None = None) -> DiscussionRules:
    """Return the rules that apply now, or at a moment, from a row with `RULE_COLUMNS`."""
    return _rules_at(_stored_rules_of(row), at or now())


def is_open(rules: DiscussionRules) -> bool:
    """Whether readers may post comments."""
    return rules.state == "open"


def offered_reactions(totals: dict[str, int], names: Sequence[str]) -> dict[str, int]:
    """Return the counts of the reactions that the publication offers, 0 for those nobody chose."""
    return {name: totals.get(name, 0) for name in names}


def present_discussion(row: DiscussionRow, names: Sequence[str]) -> DiscussionMembers:
    """Return `discussion` and `reactions` of an article from a row with `DISCUSSION_COLUMNS`."""
    return discussion_members(rules_of(row), parse_tally(row["tally"], names))


def serialize_rules(row: RulesRow) -> str:
    """Return the rules of a row with `RULE_COLUMNS` as text, as cached beside the article's JSON."""
    return pydantic_core.to_json(_stored_rules_of(row)).decode()


def parse_rules(text: str) -> DiscussionRules:
    """Return the rules that `serialize_rules` gave."""
    state, prompt, moderation, closes_at = json.loads(text)
    return DiscussionRules(state, prompt, moderation, _parse_time(closes_at))


def discussion_members(rules: DiscussionRules, counts: Counts) -> DiscussionMembers:
    """Return `discussion` and `reactions`, the members of an article's JSON."""
    discussion: DiscussionSummary = {
        "state": rules.state,
        "prompt": rules.prompt,
        "comments": counts["comments"],
        "inline": counts["inline"],
        "closes_at": rules.closes_at,
    }
    return {"discussion": discussion, "reactions": counts["reactions"]}


def parse_tally(tally: str | None, names: Sequence[str]) -> Counts:
    """Return the counts of a `TALLY_COLUMN`, with the reactions `names`."""
    comments, inline, totals = json.loads(tally) if tally else (0, 0, {})
    return {"comments": comments, "inline": inline, "reactions": offered_reactions(totals, names)}


_OWN_COLUMNS = [_OWN.c[name].label(f"own_{name}") for name in (*_INHERITED, "closes_at")]
_OWN_COLUMNS.append(sa.func.coalesce(_OWN.c.version, 0).label("version"))


def _for_one_article(query: Statement) -> dict[bool, Statement]:
    """Return the statement for one article by id, and by slug."""
    columns = {True: ARTICLE.c.id, False: ARTICLE.c.slug}
    return {by_id: query.where(c == sa.bindparam("ref", type_=c.type)) for by_id, c in columns.items()}


_NO_CLOSING_COLUMNS = [sa.null().label("set_closes_at"), sa.null().label("set_from")]
_SITE_ROW = sa.select(_SITE_TARGET.label("id")).subquery()
_SITE_SETTINGS = sa.select(_SITE_ROW.c.id, *_OWN_COLUMNS, *_effective_columns(None), *_NO_CLOSING_COLUMNS).select_from(
    _SITE_ROW.outerjoin(_OWN, _OWN.c.target_id == _SITE_ROW.c.id)
)
_SECTION_SETTINGS = sa.select(
    _SECTION.c.id, _SECTION.c.slug, *_OWN_COLUMNS, *_effective_columns(_SECTION.c.id), *_NO_CLOSING_COLUMNS
).select_from(_SECTION.outerjoin(_OWN, _OWN.c.target_id == _SECTION.c.id))
_ARTICLE_SETTINGS = _for_one_article(
    sa.select(
        ARTICLE.c.id,
        ARTICLE.c.state,
        ARTICLE.c.public,
        ARTICLE.c.due_at,
        ARTICLE.c.section_id,
        *_OWN_COLUMNS,
        *RULE_COLUMNS,
    ).select_from(join_discussion(ARTICLE, tally=False))
)


class SettingsRow(RulesRow):
    """The settings of one level, and those that are in effect."""

    id: str
    own_state: str | None
    own_prompt: str | None
    own_moderation: str | None
    own_close_after_days: int | None
    own_closes_at: datetime | None
    version: int


class SectionSettingsRow(SettingsRow):
    """The settings of a section."""

    slug: str


class ArticleSettingsRow(SettingsRow):
    """The settings of an article, and whether readers see it."""

    state: str
    public: bool
    due_at: datetime | None
    section_id: str | None


def get_site_settings(connection: sa.Connection, _ref: str = SITE_ID) -> SettingsRow:
    """Return the settings of the site as a row for `present_settings`."""
    return get_row(connection, _SITE_SETTINGS, SettingsRow)


def find_section_settings(connection: sa.Connection, ref: str) -> SectionSettingsRow | None:
    """Find the settings of a section by id or slug."""
    return cast("SectionSettingsRow | None", find_term(connection, _SECTION_SETTINGS, ref))


def find_article_settings(connection: sa.Connection, ref: str) -> ArticleSettingsRow | None:
    """Find the settings of an article by id or slug, whoever may read it."""
    return fetch_row(connection, _ARTICLE_SETTINGS[is_id(ref)], ArticleSettingsRow, {"ref": ref})


class SettingsView(TypedDict):
    """Settings of one level as `DiscussionSettingsOut`, and their version for `If-Match`."""

    own: JsonObject
    effective: JsonObject
    version: int


def present_settings(row: SettingsRow) -> SettingsView:
    """Shape a row of settings."""
    own: JsonObject = {
        "state": row["own_state"],
        "prompt": row["own_prompt"],
        "moderation": row["own_moderation"],
        "close_after_days": row["own_close_after_days"],
        "closes_at": row["own_closes_at"],
    }
    days = row["set_close_after_days"] or 0
    return {"own": own, "effective": {**rules_of(row)._asdict(), "close_after_days": days}, "version": row["version"]}


class CountsRow(TypedDict):
    """The counts of one article."""

    id: str
    slug: str
    tally: str | None


_SELECT_COUNTS = (
    sa.select(ARTICLE.c.id, ARTICLE.c.slug, TALLY_COLUMN)
    .select_from(ARTICLE.outerjoin(ARTICLE_TALLY, ARTICLE_TALLY.c.article_id == ARTICLE.c.id))
    .where(
        ARTICLE.c.public,
        ARTICLE.c.id.in_(sa.bindparam("ids", expanding=True, type_=ARTICLE.c.id.type))
        | ARTICLE.c.slug.in_(sa.bindparam("slugs", expanding=True, type_=ARTICLE.c.slug.type)),
    )
)


def list_counts(
    connection: sa.Connection, refs: Sequence[str], names: Sequence[str]
) -> tuple[list[str], dict[str, Counts]]:
    """Return the ids of public articles, and their counts by the ids and slugs requested, in that order."""
    parameters = {"ids": [ref for ref in refs if is_id(ref)], "slugs": [ref for ref in refs if not is_id(ref)]}
    rows = fetch_rows(connection, _SELECT_COUNTS, CountsRow, parameters)
    by_ref = {ref: parse_tally(row["tally"], names) for row in rows for ref in (row["id"], row["slug"])}
    return sorted(row["id"] for row in rows), {ref: by_ref[ref] for ref in refs if ref in by_ref}


_LEVELS = sa.select(_DISCUSSION.c.target_id, _DISCUSSION.c.state, _DISCUSSION.c.closed_at).where(
    _DISCUSSION.c.target_id.in_(sa.bindparam("levels", expanding=True, type_=_DISCUSSION.c.target_id.type))
)


def find_closed_at(store: sa.Connection | Session, article: PostingContext) -> datetime | None:
    """Find when a discussion closed: by its closing time, or by hand at the narrowest level that has a state."""
    above = find_ancestors(store, article.section_id) if article.section_id else []
    levels = [article.article_id, *above, SITE_ID]
    set_by_level = {row.target_id: row for row in store.execute(_LEVELS, {"levels": levels}) if row.state is not None}
    by_hand = next((set_by_level[level].closed_at for level in levels if level in set_by_level), None)
    by_time = article.rules.closes_at
    return min((at for at in (by_hand, by_time) if at is not None), default=None)


# For one article the site's row is joined, and the settings of its sections are read once: a subquery for each setting
# costs more than everything else.
_SITE_DISCUSSION = _DISCUSSION.alias("site_discussion")
_ANCESTOR_SETTINGS = (
    sa.select(json_rows(CLOSURE.c.depth, **{name: _DISCUSSION.c[name] for name in _INHERITED}))
    .select_from(CLOSURE.join(_DISCUSSION, _DISCUSSION.c.target_id == CLOSURE.c.ancestor_id))
    .where(CLOSURE.c.descendant_id == ARTICLE.c.section_id)
    .correlate(ARTICLE)
    .scalar_subquery()
)
_CONTEXTS = _for_one_article(
    sa.select(
        ARTICLE.c.id,
        ARTICLE.c.slug,
        ARTICLE.c.public,
        ARTICLE.c.published_revision,
        ARTICLE.c.section_id,
        ARTICLE.c.series_id,
        ARTICLE.c.language,
    )
    .add_columns(*(_OWN.c[name].label(f"own_{name}") for name in _INHERITED))
    .add_columns(*(_SITE_DISCUSSION.c[name].label(f"site_{name}") for name in _INHERITED))
    .add_columns(_ANCESTOR_SETTINGS.label("ancestor_settings"), *RULE_COLUMNS[len(_INHERITED) :])
    .select_from(
        join_discussion(ARTICLE, tally=False).outerjoin(_SITE_DISCUSSION, _SITE_DISCUSSION.c.target_id == _SITE_TARGET)
    )
)


class _LevelSettings(TypedDict):
    state: str | None
    prompt: str | None
    moderation: str | None
    close_after_days: int | None


class _ContextRow(TypedDict):
    id: str
    slug: str
    public: bool
    published_revision: int | None
    section_id: str | None
    series_id: str | None
    language: str
    own_state: str | None
    own_prompt: str | None
    own_moderation: str | None
    own_close_after_days: int | None
    site_state: str | None
    site_prompt: str | None
    site_moderation: str | None
    site_close_after_days: int | None
    ancestor_settings: list[_LevelSettings] | None
    set_closes_at: str | None
    set_from: str | None


_CONTEXT: dict[bool, Prepared[_ContextRow]] = {by_id: Prepared(query) for by_id, query in _CONTEXTS.items()}


def find_posting_context(store: sa.Connection | Session, ref: str) -> PostingContext | None:
    """Find the posting context of an article by id or slug, whoever may read it."""
    row = _CONTEXT[is_id(ref)].row(store, {"ref": ref})
    if row is None:
        return None
    above = row["ancestor_settings"] or ()
    stored = _stored_rules(
        _first_set(row["own_state"], *(level["state"] for level in above), row["site_state"]),
        _first_set(row["own_prompt"], *(level["prompt"] for level in above), row["site_prompt"]),
        _first_set(row["own_moderation"], *(level["moderation"] for level in above), row["site_moderation"]),
        _first_set(
            row["own_close_after_days"], *(level["close_after_days"] for level in above), row["site_close_after_days"]
        ),
        row["set_closes_at"],
        row["set_from"],
    )
    return PostingContext(
        row["id"],
        row["slug"],
        row["public"],
        row["published_revision"],
        row["section_id"],
        row["series_id"],
        _parse_time(row["set_from"]),
        row["language"],
        _rules_at(stored, now()),
    )


def _first_set(*values: T | None) -> T | None:
    """Return the setting of the narrowest level that has one: the article, its sections from below, the site."""
    return next((value for value in values if value is not None), None)

"""Counts of the moderation queue: one statement, which counts nothing beyond a limit."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from app.core.clock import now
from app.db.columns import as_sort_text, parse_time, table_of
from app.db.rows import Column, JsonObject, Statement
from app.identity.schemas import Actor
from app.moderation.comment_access import A, C, is_in_reach
from app.moderation.queue import CASE, COMMENT_STATES, LEASE, is_in_section
from app.moderation.tables import ModerationLog, Report

MAX_COUNTED: Final = 10_000  # of each kind
MAX_COUNTED_REASONS: Final = 1000  # pending comments whose reasons are counted
_LOG, _REPORT = table_of(ModerationLog), table_of(Report)
_Counts = sa.Select[*tuple[str, str, int]]  # kind, name, number


def _count(kind: str, name: Column, rows: Statement) -> _Counts:
    """Count rows by name, up to the limit; `rows` selects a column `name` where the name is not fixed."""
    part = rows.limit(MAX_COUNTED).subquery()
    label = part.c.name if "name" in part.c else name
    counted = sa.select(sa.literal(kind).label("kind"), sa.cast(label, sa.Text).label("name"), sa.func.count())
    return counted.select_from(part).group_by(label)


def _select_reasons(dialect: str, is_shown: Sequence[sa.ColumnElement[bool]]) -> _Counts:
    """Select the stages that held the oldest pending comments, from the newest entry of the log about each."""
    pending = sa.select(C.c.id).where(C.c.state == "pending", *is_shown)
    pending = pending.order_by(C.c.created_at, C.c.id).limit(MAX_COUNTED_REASONS)
    held = pending.subquery()
    newest = sa.select(_LOG.c.id).where(_LOG.c.comment_id == held.c.id, _LOG.c.state.is_not(None))
    newest = newest.order_by(_LOG.c.at.desc(), _LOG.c.id.desc()).limit(1)
    entries = held.join(_LOG, _LOG.c.id == newest.correlate(held).scalar_subquery())
    if dialect == "postgresql":
        each = sa.func.json_array_elements(_LOG.c.reasons).table_valued("value").render_derived("each_reason")
        stage = sa.func.json_extract_path_text(sa.cast(each.c.value, sa.JSON), "stage")
    else:
        each = sa.func.json_each(_LOG.c.reasons).table_valued("value", name="each_reason")
        stage = sa.func.json_extract(each.c.value, "$.stage")
    stages = sa.select(stage.label("name")).select_from(entries.join(each, sa.true()))
    part = stages.subquery()
    counted = sa.select(sa.literal("reasons").label("kind"), sa.cast(part.c.name, sa.Text), sa.func.count())
    return counted.select_from(part).group_by(part.c.name)


def _select_counts(actor: Actor, section: str | None, dialect: str) -> sa.CompoundSelect[*tuple[str, str, int]]:
    conditions = [] if actor.may_in("comments:moderate", None) else [is_in_reach(actor)]
    conditions += [is_in_section(section)] if section is not None else []
    within = sa.select(A.c.id).where(*conditions)
    is_shown = [C.c.article_id.in_(within)] if conditions else []
    comments, cases = sa.select(C.c.id), sa.select(CASE.c.comment_id).where(CASE.c.waits)
    if conditions:
        cases = cases.join(C, C.c.id == CASE.c.comment_id).where(*is_shown)
    leases = sa.select(LEASE.c.comment_id).where(LEASE.c.until > now())
    if conditions:
        leases = leases.join(C, C.c.id == LEASE.c.comment_id).where(*is_shown)
    reports = sa.select(_REPORT.c.reason.label("name")).where(_REPORT.c.state == "open")
    if conditions:
        reports = reports.where(_REPORT.c.article_id.in_(within))
    oldest = sa.select(C.c.created_at).where(C.c.state == "pending", *is_shown)
    first = oldest.order_by(C.c.created_at, C.c.id).limit(1).subquery()
    return sa.union_all(
        *(
            _count("states", sa.literal(state), comments.where(C.c.state == state, *is_shown))
            for state in COMMENT_STATES
        ),
        _count("states", sa.literal("reported"), cases.where(CASE.c.reports > 0)),
        _count("states", sa.literal("appealed"), cases.where(CASE.c.appealed)),
        _count("claimed", sa.literal("claimed"), leases),
        _count("reports", sa.null(), reports),
        _select_reasons(dialect, is_shown),
        sa.select(sa.literal("oldest"), as_sort_text(first.c.created_at), sa.literal(0)),
    )


def count_queue(connection: sa.Connection, actor: Actor, section: str | None) -> JsonObject:
    """Count the queue in the shape of `QueueCountsOut`."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for kind, name, number in connection.execute(_select_counts(actor, section, connection.dialect.name)):
        counts[kind][name] = number
    oldest = next(iter(counts["oldest"]), None)
    return {
        "states": {state: counts["states"].get(state, 0) for state in (*COMMENT_STATES, "reported", "appealed")},
        "reasons": counts["reasons"],
        "reports": counts["reports"],
        "claimed": counts["claimed"].get("claimed", 0),
        "oldest": parse_time(oldest) if oldest else None,
        "limit": MAX_COUNTED,
    }

"""Reading reports, and what may be reported."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.identity.participants.queries import PARTICIPANT
from app.identity.schemas import Actor
from app.kit.ids import is_id
from app.kit.paging import Sort, fetch
from app.kit.schema import Row, table_of
from app.moderation.queries import A, within
from app.moderation.reports.schemas import ReportQuery
from app.moderation.reports.tables import Report

REPORT = table_of(Report)
NEWEST = Sort("-created_at", descending=True)
_SHOWN = (
    sa.select(
        *(
            REPORT.c[name]
            for name in "id comment_id article_id reason text email weight state created_at decided_at".split()
        ),
        A.c.slug.label("article_slug"),
        A.c.title.label("article_title"),
        PARTICIPANT.c.public_id.label("reporter_id"),
        PARTICIPANT.c.name.label("reporter_name"),
        PARTICIPANT.c.kind.label("reporter_kind"),
    )
    .select_from(REPORT)
    .join(A, A.c.id == REPORT.c.article_id)
    .outerjoin(PARTICIPANT, PARTICIPANT.c.id == REPORT.c.participant_id)
)


def present(row: Row) -> dict[str, Any]:
    """A row of reports in the shape of `ReportOut`."""
    out = dict(row)
    out["target"] = "comment" if row["comment_id"] else "article"
    out["article"] = {"id": row["article_id"], "slug": row["article_slug"], "title": row["article_title"]}
    known = {name: row[f"reporter_{name}"] for name in ("id", "name", "kind")}
    out["reporter"] = known if row["reporter_id"] else None
    out["weight"] = row["weight"] / 10
    return out


def page(connection: sa.Connection, actor: Actor, asked: ReportQuery) -> dict[str, Any]:
    """A page of reports, newest first."""
    query = _SHOWN.where(within(actor))
    if asked.target is not None:
        query = query.where(REPORT.c.comment_id.is_(None) == (asked.target == "article"))
    if asked.state is not None:
        query = query.where(REPORT.c.state == asked.state)
    if asked.reason is not None:
        query = query.where(REPORT.c.reason == asked.reason)
    for column, value in ((REPORT.c.article_id, asked.article), (REPORT.c.comment_id, asked.comment)):
        if value is not None:
            query = query.where(column == value if is_id(value) else sa.false())
    found = fetch(connection, query, NEWEST, REPORT.c.created_at, asked)
    found["data"] = [present(row) for row in found["data"]]
    return found


def shown(connection: sa.Connection, report_id: str) -> dict[str, Any]:
    """One report as moderators see it."""
    return present(connection.execute(_SHOWN.where(REPORT.c.id == report_id)).mappings().one())


def public_article(connection: sa.Connection, ref: str) -> str | None:
    """The id of an article that readers see, by id or slug; None for all others."""
    query = sa.select(A.c.id).where((A.c.id if is_id(ref) else A.c.slug) == ref, A.c.public)
    return connection.execute(query).scalar_one_or_none()


def standing(connection: sa.Connection, target_id: str, reporters: list[str]) -> sa.RowMapping | None:
    """What one of these has reported of the target before, or None."""
    query = sa.select(REPORT).where(REPORT.c.target_id == target_id, REPORT.c.reporter.in_(reporters))
    return connection.execute(query.limit(1)).mappings().first()


def sent(connection: sa.Connection, address_hashes: list[str], since: datetime) -> int:
    """How many reports came from an address since a time."""
    query = sa.select(sa.func.count()).where(REPORT.c.address_hash.in_(address_hashes), REPORT.c.created_at > since)
    return connection.execute(query).scalar_one()


def dismissals(connection: sa.Connection, reporters: list[str]) -> int:
    """How many more reports of a reporter were dismissed than upheld; not below 0."""
    counts = sa.select(REPORT.c.state, sa.func.count()).where(REPORT.c.reporter.in_(reporters)).group_by(REPORT.c.state)
    found: dict[str, int] = {row[0]: row[1] for row in connection.execute(counts)}
    return max(0, found.get("dismissed", 0) - found.get("upheld", 0))


def written_by(connection: sa.Connection, participant_ids: list[str], email: str | None) -> list[Row]:
    """The reports that somebody sent: what is told to those who ask what is stored about them."""
    mine: ColumnElement[bool] = REPORT.c.participant_id.in_(participant_ids)
    if email is not None:
        mine = mine | (REPORT.c.email == email.lower())
    columns = [REPORT.c[name] for name in "id comment_id article_id reason text email state created_at".split()]
    return list(connection.execute(sa.select(*columns).where(mine).order_by(REPORT.c.id)).mappings())

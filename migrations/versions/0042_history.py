"""the history of what was public, and previews of releases"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from alembic import op

from app.core.clock import format_rfc3339
from app.core.ids import new_id

revision: str = "0042"
down_revision: str | None = "0041"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_TIME = sa.DateTime(timezone=True)
_TIMES = ("published_at", "listed_at", "updated_at", "embargoed_until", "expires_at")
_JSON = ("territory", "corrections", "seo", "source")
_FACTS = (
    "usage_terms copyright_holder territory syndication embargoed_until expires_at corrections seo seo_image_id "
    "canonical_url source"
).split()
_ARTICLE = sa.table(
    "article",
    sa.column("id", _ID),
    sa.column("seo_image_id", _ID),
    sa.column("public", sa.Boolean),
    sa.column("featured", sa.Boolean),
    *(sa.column(name, _TIME) for name in _TIMES),
    *(sa.column(name, sa.JSON) for name in _JSON),
    *(sa.column(name) for name in ("slug", "revision", "usage_terms", "copyright_holder", "syndication")),
    sa.column("canonical_url"),
)
_REVISION = sa.table("revision", sa.column("article_id", _ID), sa.column("n"), sa.column("published_at", _TIME))
_AUDIT = sa.table("audit", sa.column("subject_id", _ID), sa.column("action"), sa.column("at", _TIME))
_FRONT = sa.table("front", sa.column("id", _ID), sa.column("slug"), sa.column("published", sa.JSON))
_ARTICLE_PERIOD = sa.table(
    "article_period",
    *(sa.column(name, _ID) for name in ("id", "article_id")),
    *(sa.column(name, _TIME) for name in ("from_at", "until_at", "published_at", "listed_at", "updated_at")),
    sa.column("revision"),
    sa.column("slug"),
    sa.column("featured", sa.Boolean),
    sa.column("facts", sa.JSON),
)
_FRONT_PERIOD = sa.table(
    "front_period",
    *(sa.column(name, _ID) for name in ("id", "front_id")),
    *(sa.column(name, _TIME) for name in ("from_at", "until_at")),
    sa.column("slug"),
    sa.column("shown", sa.JSON),
)
_ROWS_AT_ONCE = 500


def upgrade() -> None:
    op.create_table(
        "article_period",
        sa.Column("id", _ID, nullable=False),
        sa.Column("article_id", _ID, nullable=False),
        sa.Column("from_at", _TIME, nullable=False),
        sa.Column("until_at", _TIME, nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(200), nullable=False),
        sa.Column("featured", sa.Boolean(), nullable=False),
        sa.Column("published_at", _TIME, nullable=True),
        sa.Column("listed_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "front_period",
        sa.Column("id", _ID, nullable=False),
        sa.Column("front_id", _ID, nullable=False),
        sa.Column("slug", sa.String(200), nullable=False),
        sa.Column("from_at", _TIME, nullable=False),
        sa.Column("until_at", _TIME, nullable=True),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "release_preview",
        sa.Column("id", _ID, nullable=False),
        sa.Column("release_id", _ID, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("revoked_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    connection = op.get_bind()
    _fill_articles(connection)
    _fill_fronts(connection)
    op.create_index("ix_article_period_article", "article_period", ["article_id", "from_at"])
    op.create_index("ix_article_period_slug", "article_period", ["slug", "from_at"])
    op.create_index("ix_article_period_listed", "article_period", ["listed_at", "article_id"])
    op.create_index("ix_article_period_updated", "article_period", ["updated_at", "article_id"])
    op.create_index("ix_front_period_front", "front_period", ["front_id", "from_at"])
    op.create_index("ix_front_period_slug", "front_period", ["slug", "from_at"])
    op.create_index("ix_release_preview_release_id", "release_preview", ["release_id"])


def _fill_articles(connection: sa.Connection) -> None:
    """Write the periods of each revision that readers have seen, with the facts of today, which are all that is known.

    The last one of an article that is not public any more ended when the audit log says that it was withdrawn; where it
    does not say so, the period is left out.
    """
    after = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(
        sa.select(*_ARTICLE.c).where(_ARTICLE.c.id > after).order_by(_ARTICLE.c.id).limit(_ROWS_AT_ONCE)
    ).all():
        ids = [row.id for row in rows]
        seen: dict[str, list[tuple[datetime, int]]] = {}
        revisions = sa.select(_REVISION.c.article_id, _REVISION.c.published_at, _REVISION.c.n)
        for each in connection.execute(
            revisions.where(_REVISION.c.article_id.in_(ids), _REVISION.c.published_at.is_not(None))
        ):
            seen.setdefault(each.article_id, []).append((each.published_at, each.n))
        withdrawn = sa.select(_AUDIT.c.subject_id, sa.func.max(_AUDIT.c.at).label("at")).where(
            _AUDIT.c.subject_id.in_(ids), _AUDIT.c.action.in_(("article.unpublish", "article.retract"))
        )
        ends = {row.subject_id: row.at for row in connection.execute(withdrawn.group_by(_AUDIT.c.subject_id))}
        periods = [period for row in rows for period in _list_periods(row, sorted(seen.get(row.id, [])), ends)]
        if periods:
            connection.execute(sa.insert(_ARTICLE_PERIOD), periods)
        after = ids[-1]


def _list_periods(
    row: sa.Row[*tuple[object, ...]], seen: list[tuple[datetime, int]], ends: dict[str, datetime]
) -> list[dict[str, object]]:
    values = row._mapping
    facts = {name: values[name] for name in _FACTS if values[name] is not None}
    facts |= {name: format_rfc3339(values[name]) for name in ("embargoed_until", "expires_at") if values[name]}
    periods = []
    for at, (begin, n) in enumerate(seen):
        is_last = at == len(seen) - 1
        end = None if is_last and values["public"] else ends.get(values["id"]) if is_last else seen[at + 1][0]
        if (end is not None and end <= begin) or (end is None and not values["public"]):
            continue
        is_shown = end is None
        periods.append(
            {
                "id": new_id(),
                "article_id": values["id"],
                "from_at": begin,
                "until_at": end,
                "revision": values["revision"] if is_shown else n,
                "slug": values["slug"],
                "featured": values["featured"],
                "published_at": values["published_at"],
                "listed_at": values["listed_at"],
                "updated_at": values["updated_at"] if is_shown else begin,
                "facts": facts,
            }
        )
    return periods


def _fill_fronts(connection: sa.Connection) -> None:
    rows = connection.execute(sa.select(*_FRONT.c).where(_FRONT.c.published.is_not(None))).mappings()
    periods = [
        {
            "id": new_id(),
            "front_id": row["id"],
            "slug": row["slug"],
            "from_at": datetime.fromisoformat(row["published"]["at"]),
            "until_at": None,
            "shown": row["published"],
        }
        for row in rows
        if row["published"]
    ]
    if periods:
        connection.execute(sa.insert(_FRONT_PERIOD), periods)


def downgrade() -> None:
    for table in ("release_preview", "front_period", "article_period"):
        op.drop_table(table)

"""fronts and activity"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
KINDS, DAYS = ("comments", "reactions"), (1, 7, 30)
_SUMS = [f"{kind}_{days}d" for kind in KINDS for days in DAYS]


def _id() -> sa.types.TypeEngine[str]:
    return sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


_HOUR = sa.table(
    "activity_hour",
    sa.column("article_id", _id()),
    sa.column("hour", sa.DateTime(timezone=True)),
    sa.column("due_at", sa.DateTime(timezone=True)),
    *(sa.column(name, sa.Integer()) for name in ("comments", "reactions", "passed")),
)
_ACTIVITY = sa.table(
    "article_activity", sa.column("article_id", _id()), *(sa.column(name, sa.Integer()) for name in _SUMS)
)


def upgrade() -> None:
    op.create_table(
        "front",
        sa.Column("id", _id(), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("published", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("draft", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "article_activity",
        sa.Column("article_id", _id(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _SUMS),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article_id"),
    )
    for name in _SUMS:
        op.create_index(f"ix_article_activity_{name}", "article_activity", [name, "article_id"])
    op.create_table(
        "activity_hour",
        sa.Column("article_id", _id(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("reactions", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article_id", "hour"),
    )
    op.create_index("ix_activity_hour_due_at", "activity_hour", ["due_at"])
    _count()


def _count() -> None:
    """What readers wrote and chose in the last month, before anybody counted it by the hour."""
    bind, moment = op.get_bind(), datetime.now(UTC)
    numbers: dict[tuple[str, datetime], Counter[str]] = {}
    for kind, table, at, where in (
        ("comments", "comment", "created_at", sa.column("state") == "published"),
        ("reactions", "reaction", "at", sa.true()),
    ):
        column = sa.column(at, sa.DateTime(timezone=True))
        recent = sa.select(sa.column("article_id", _id()), column).select_from(sa.table(table))
        for article_id, when in bind.execute(recent.where(where, column > moment - timedelta(days=31))):
            hour = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
            hour = hour.replace(minute=0, second=0, microsecond=0)
            numbers.setdefault((article_id, hour), Counter())[kind] += 1
    hours, sums = [], {}
    for (article_id, hour), counted in numbers.items():
        passed = sum(hour + timedelta(hours=1, days=days) <= moment for days in DAYS)
        if passed < len(DAYS):
            due = hour + timedelta(hours=1, days=DAYS[passed])
            row = {"article_id": article_id, "hour": hour, "passed": passed, "due_at": due}
            hours.append({**row, "comments": counted["comments"], "reactions": counted["reactions"]})
            total = sums.setdefault(article_id, {"article_id": article_id, **dict.fromkeys(_SUMS, 0)})
            for kind in KINDS:
                for days in DAYS[passed:]:
                    total[f"{kind}_{days}d"] += counted[kind]
    if hours:
        bind.execute(sa.insert(_HOUR), hours)
        bind.execute(sa.insert(_ACTIVITY), list(sums.values()))


def downgrade() -> None:
    op.drop_table("activity_hour")
    op.drop_table("article_activity")
    op.drop_table("front")

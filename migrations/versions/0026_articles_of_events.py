"""the article that an event is about, as a column of the log"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_EVENT = sa.table(
    "event",
    sa.column("type", sa.String()),
    sa.column("subject_id", _ID),
    sa.column("article_id", _ID),
    sa.column("payload", sa.JSON()),
)
_ARTICLE_IS_SUBJECT = (
    "article.published",
    "article.updated",
    "article.corrected",
    "article.correction_changed",
    "article.correction_withdrawn",
    "article.unpublished",
    "article.retracted",
    "article.purged",
    "article.anchors_resolved",
    "article.related_changed",
    "article.reacted",
)
_ARTICLE_IN_PAYLOAD = (
    "article.reported",
    "anchor.changed",
    "comment.published",
    "comment.edited",
    "comment.removed",
    "comment.voted",
    "comment.pending",
    "comment.held",
    "comment.reported",
    "comment.appealed",
    "comment.decided",
)


def _member(name: str) -> sa.ColumnElement[str]:
    return _EVENT.c.payload[name].as_string()


def upgrade() -> None:
    op.add_column("event", sa.Column("article_id", _ID, nullable=True))
    is_of_article = _member("scope") == "article"
    for condition, article_id in (
        (_EVENT.c.type.in_(_ARTICLE_IS_SUBJECT), _EVENT.c.subject_id),
        (_EVENT.c.type.in_(_ARTICLE_IN_PAYLOAD), sa.cast(_member("article_id"), _ID)),
        ((_EVENT.c.type == "discussion.changed") & is_of_article, _EVENT.c.subject_id),
        (_EVENT.c.type.in_(("notice.changed", "notice.deleted")) & is_of_article, sa.cast(_member("target_id"), _ID)),
    ):
        op.execute(sa.update(_EVENT).where(condition).values(article_id=article_id))


def downgrade() -> None:
    op.drop_column("event", "article_id")

"""what search engines and networks are told of articles and places"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_TERMS = ("section", "tag", "author", "series")


def upgrade() -> None:
    op.add_column("article", sa.Column("seo", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("article", sa.Column("seo_image_id", _ID, nullable=True))
    op.add_column("article", sa.Column("canonical_url", sa.String(2048), nullable=True))
    op.add_column("article", sa.Column("source", sa.JSON(none_as_null=True), nullable=True))
    for table in _TERMS:
        op.add_column(table, sa.Column("seo", sa.JSON(none_as_null=True), nullable=True))
        op.add_column(table, sa.Column("canonical_url", sa.String(2048), nullable=True))
    op.add_column("author", sa.Column("same_as", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("author", "same_as")
    for table in _TERMS:
        op.drop_column(table, "canonical_url")
        op.drop_column(table, "seo")
    for name in ("source", "canonical_url", "seo_image_id", "seo"):
        op.drop_column("article", name)

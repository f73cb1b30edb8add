"""articles by their picture for networks"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0034"
down_revision: str | None = "0033"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    has_image = sa.text("seo_image_id IS NOT NULL")
    op.create_index(
        "ix_article_seo_image", "article", ["seo_image_id"], sqlite_where=has_image, postgresql_where=has_image
    )


def downgrade() -> None:
    op.drop_index("ix_article_seo_image", "article")

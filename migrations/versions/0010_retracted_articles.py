"""retracted articles by an index of their own"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_article_retracted",
        "article",
        ["section_id"],
        sqlite_where=sa.text("state = 'retracted'"),
        postgresql_where=sa.text("state = 'retracted'"),
    )


def downgrade() -> None:
    op.drop_index("ix_article_retracted", "article")

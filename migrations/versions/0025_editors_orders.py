"""editors' lists: articles of every state by title and by last change, without sorting all of them"""

from collections.abc import Sequence

from alembic import op

revision: str = "0025"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES = {"ix_article_touched": ["updated_at", "id"], "ix_article_alphabet": ["title_key", "id"]}


def upgrade() -> None:
    for name, columns in _INDEXES.items():
        op.create_index(name, "article", columns)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(name, "article")

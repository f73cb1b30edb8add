"""repeated texts by an index of their own"""

from collections.abc import Sequence

from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_comment_fingerprint", "comment", ["fingerprint", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_comment_fingerprint", "comment")

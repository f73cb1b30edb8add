"""roles by groups"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0043"
down_revision: str | None = "0042"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("role_grant", sa.Column("provider", sa.String(40), nullable=True))


def downgrade() -> None:
    op.execute("DELETE FROM role_grant WHERE provider IS NOT NULL")
    op.drop_column("role_grant", "provider")

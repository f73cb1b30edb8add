"""the key by which a webhook receives moderation events"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.db.columns import ID

revision: str = "0022"
down_revision: str | None = "0025"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("webhook", sa.Column("moderator_id", ID, nullable=True))


def downgrade() -> None:
    op.drop_column("webhook", "moderator_id")

"""addresses of subscribers by their hashes; what confirming has given"""

from collections.abc import Sequence
from hashlib import sha256

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("opt_in", sa.Column("used", sa.Integer(), nullable=True))
    op.add_column("subscriber", sa.Column("address", sa.String(length=64), nullable=True))
    connection = op.get_bind()
    known = connection.execute(sa.text("SELECT DISTINCT email FROM subscriber")).scalars().all()
    rows = [{"email": email, "address": sha256(email.encode()).hexdigest()} for email in known]
    if rows:
        connection.execute(sa.text("UPDATE subscriber SET address = :address WHERE email = :email"), rows)
    with op.batch_alter_table("subscriber", schema=None) as batch_op:
        batch_op.alter_column("address", existing_type=sa.String(length=64), nullable=False)
        batch_op.create_index("ix_subscriber_address", ["address"], unique=True)


def downgrade() -> None:
    with op.batch_alter_table("subscriber", schema=None) as batch_op:
        batch_op.drop_index("ix_subscriber_address")
        batch_op.drop_column("address")
    op.drop_column("opt_in", "used")

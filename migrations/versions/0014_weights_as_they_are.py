"""weights and words of the search are stored as they are on PostgreSQL; what is there already until it is made anew"""

from collections.abc import Sequence

from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _store("EXTERNAL")


def downgrade() -> None:
    _store("EXTENDED")


def _store(how: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for column in ("weights", "vector"):
            op.execute(f"ALTER TABLE search_entry ALTER COLUMN {column} SET STORAGE {how}")

"""custom data of articles, data of imports that has no place yet, and ids at Disqus known to both importers"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("article", sa.Column("custom", sa.JSON(), nullable=True))
    op.create_table(
        "import_extra",
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("foreign_id", sa.String(length=300), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("source", "kind", "foreign_id", name=op.f("pk_import_extra")),
    )
    op.execute(
        "INSERT INTO import_source (source, kind, foreign_id, local_id, fingerprint)"
        " SELECT 'disqus', kind, foreign_id, min(CAST(local_id AS TEXT)), '' FROM import_source"
        " WHERE source LIKE 'disqus:%' AND kind = 'comment' GROUP BY kind, foreign_id"
        if op.get_bind().dialect.name == "sqlite"
        else "INSERT INTO import_source (source, kind, foreign_id, local_id, fingerprint)"
        " SELECT DISTINCT ON (foreign_id) 'disqus', kind, foreign_id, local_id, '' FROM import_source"
        " WHERE source LIKE 'disqus:%' AND kind = 'comment' ORDER BY foreign_id, source"
    )


def downgrade() -> None:
    op.execute("DELETE FROM import_source WHERE source = 'disqus'")
    op.drop_table("import_extra")
    op.drop_column("article", "custom")

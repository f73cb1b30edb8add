"""paths of sections in their tree, for addresses"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


def upgrade() -> None:
    op.add_column("section", sa.Column("path", sa.Text(), server_default="", nullable=False))
    section = sa.table(
        "section", sa.column("id", _ID), sa.column("parent_id", _ID), sa.column("slug"), sa.column("path")
    )
    rows = {row.id: row for row in op.get_bind().execute(sa.select(section.c.id, section.c.parent_id, section.c.slug))}
    paths = []
    for row in rows.values():
        slugs, at = [row.slug], row.parent_id
        while at is not None:
            slugs.append(rows[at].slug)
            at = rows[at].parent_id
        paths.append({"section": row.id, "slugs": "/".join(reversed(slugs))})
    if paths:
        update = sa.update(section).where(section.c.id == sa.bindparam("section", type_=_ID))
        op.get_bind().execute(update.values(path=sa.bindparam("slugs")), paths)


def downgrade() -> None:
    op.drop_column("section", "path")

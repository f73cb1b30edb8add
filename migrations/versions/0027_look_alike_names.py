"""skeletons of names by Unicode's data of confusable characters"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.text.confusables import skeleton

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


def upgrade() -> None:
    for name in ("api_key", "author"):
        table = sa.table(name, sa.column("id", _ID), sa.column("name", sa.String()), sa.column("skeleton", sa.String()))
        rows = op.get_bind().execute(sa.select(table.c.id, table.c.name, table.c.skeleton)).all()
        changed = [{"row_id": row.id, "look": look} for row in rows if (look := skeleton(row.name)) != row.skeleton]
        if changed:
            update = sa.update(table).where(table.c.id == sa.bindparam("row_id", type_=_ID))
            op.get_bind().execute(update.values(skeleton=sa.bindparam("look")), changed)


def downgrade() -> None:
    """Keep the skeletons: those of an older release differ in a few letters only, until a name is changed."""

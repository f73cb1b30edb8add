"""the profile of the site, and redirects"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")


def upgrade() -> None:
    op.create_table(
        "site_profile",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("tagline", sa.String(300), nullable=False),
        sa.Column("description", sa.String(2000), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("logo_id", _ID, nullable=True),
        sa.Column("icon_id", _ID, nullable=True),
        sa.Column("social", sa.JSON(), nullable=False),
        sa.Column("home_front_id", _ID, nullable=True),
        sa.Column("menus", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["logo_id"], ["media.id"], ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["icon_id"], ["media.id"], ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["home_front_id"], ["front.id"], ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id"),
    )
    for name in ("logo_id", "icon_id", "home_front_id"):
        op.create_index(f"ix_site_profile_{name}", "site_profile", [name])
    op.create_table(
        "redirect",
        sa.Column("id", _ID, nullable=False),
        sa.Column("source", sa.String(500), nullable=False),
        sa.Column("target", sa.String(2048), nullable=True),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source"),
    )


def downgrade() -> None:
    op.drop_table("redirect")
    op.drop_table("site_profile")

"""renditions on request, originals, focal points, and which pictures are in which texts"""

import re
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.text.collation import fold_name

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ID = sa.String(36).with_variant(sa.Uuid(as_uuid=False), "postgresql")
_MEDIA = sa.table(
    "media",
    sa.column("id", _ID),
    sa.column("created_at"),
    *(sa.column(name, sa.String()) for name in ("key", "alt", "caption", "credit", "words", "token")),
)
_ARTICLE = sa.table(
    "article", sa.column("id", _ID), *map(sa.column, ("revision", "latest_revision", "scheduled_revision"))
)
_REVISION = sa.table("revision", sa.column("article_id", _ID), sa.column("n", sa.Integer), sa.column("html", sa.Text))
_LINK = sa.table("revision_media", sa.column("article_id", _ID), sa.column("n", sa.Integer), sa.column("media_id", _ID))
_FILE = re.compile(r"/media/([0-9a-f]{2}/[0-9a-f]{32}\.[a-z]+)")
_ROWS_AT_ONCE = 500


def upgrade() -> None:
    for column in (
        sa.Column("token", sa.String(32), nullable=True),
        sa.Column("animated", sa.Boolean(), nullable=True),
        sa.Column("focal_x", sa.Float(), nullable=True),
        sa.Column("focal_y", sa.Float(), nullable=True),
        sa.Column("original", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("provenance", sa.String(20), nullable=True),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
    ):
        op.add_column("media", column)
    op.create_table(
        "media_upload",
        sa.Column("id", _ID, nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("media_id", _ID, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_media_upload_expiry", "media_upload", ["expires_at", "id"])
    op.create_table(
        "revision_media",
        sa.Column("article_id", _ID, nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("media_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["article_id", "n"], ["revision.article_id", "revision.n"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["media_id"], ["media.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article_id", "n", "media_id"),
    )
    op.create_index("ix_revision_media_media_id", "revision_media", ["media_id"])
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    random = sa.func.hex(sa.func.randomblob(16)) if is_sqlite else sa.func.gen_random_uuid().cast(sa.Text)
    connection.execute(sa.update(_MEDIA).values(token=sa.func.replace(sa.func.lower(random), "-", "")))
    ids = _fold_descriptions(connection)
    if ids:
        _link_texts(connection, ids)


def _fold_descriptions(connection: sa.Connection) -> dict[str, str]:
    """Fill the words of pictures; return their ids by the keys of their files."""
    described = sa.select(_MEDIA).order_by(_MEDIA.c.created_at)
    pictures = connection.execute(described).all()
    words = [{"of": row.id, "folded": fold_name(f"{row.alt} {row.caption} {row.credit}")} for row in pictures]
    if words:
        update = sa.update(_MEDIA).where(_MEDIA.c.id == sa.bindparam("of", type_=_ID))
        connection.execute(update.values(words=sa.bindparam("folded")), words)
    return {row.key: row.id for row in pictures if row.key}


def _link_texts(connection: sa.Connection, ids: dict[str, str]) -> None:
    """Note the pictures in the texts that articles show or that were saved last."""
    numbers = (_ARTICLE.c.revision, _ARTICLE.c.latest_revision, _ARTICLE.c.scheduled_revision)
    texts = (
        sa.select(_REVISION.c.article_id, _REVISION.c.n, _REVISION.c.html)
        .join(_ARTICLE, (_REVISION.c.article_id == _ARTICLE.c.id) & _REVISION.c.n.in_(numbers))
        .where(_REVISION.c.html.contains("/media/"))
        .order_by(_REVISION.c.article_id, _REVISION.c.n)
        .limit(_ROWS_AT_ONCE)
    )
    place = sa.tuple_(_REVISION.c.article_id, _REVISION.c.n)
    last: sa.Row[tuple[str, int, str]] | None = None
    while rows := connection.execute(texts if last is None else texts.where(place > (last[0], last[1]))).all():
        links = [
            {"article_id": row.article_id, "n": row.n, "media_id": media_id}
            for row in rows
            for media_id in sorted({ids[key] for key in _FILE.findall(row.html) if key in ids})
        ]
        if links:
            connection.execute(sa.insert(_LINK), links)
        last = rows[-1]


def downgrade() -> None:
    op.drop_table("revision_media")
    op.drop_table("media_upload")
    for name in ("words", "provenance", "original", "focal_y", "focal_x", "animated", "token"):
        op.drop_column("media", name)

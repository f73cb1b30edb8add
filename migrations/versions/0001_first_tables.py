"""First tables"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hint", sa.String(length=20), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("sections", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(length=20), nullable=False),
        sa.Column("actor_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject_kind", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_at", ["at", "id"], unique=False)
        batch_op.create_index("ix_audit_subject", ["subject_id", "at", "id"], unique=False)

    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=60), nullable=False),
        sa.Column("subject_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("groups", sa.JSON(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_at"), ["at"], unique=False)
        batch_op.create_index("ix_event_order", ["xid", "seq"], unique=False)
        batch_op.create_index(batch_op.f("ix_event_subject_id"), ["subject_id"], unique=False)

    op.create_table(
        "import_source",
        sa.Column("source", sa.String(length=300), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("foreign_id", sa.String(length=300), nullable=False),
        sa.Column("local_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("source", "kind", "foreign_id"),
    )
    with op.batch_alter_table("import_source", schema=None) as batch_op:
        batch_op.create_index("ix_import_source_local", ["local_id"], unique=False)

    op.create_table(
        "log_cursor",
        sa.Column("reader", sa.String(length=60), nullable=False),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("reader"),
    )
    op.create_table(
        "media",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("mime", sa.String(length=100), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.Column("url", sa.String(length=2048), nullable=True),
        sa.Column("alt", sa.String(length=2000), nullable=False),
        sa.Column("caption", sa.String(length=2000), nullable=False),
        sa.Column("credit", sa.String(length=300), nullable=False),
        sa.Column("renditions", sa.JSON(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("media", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_media_key"), ["key"], unique=False)
        batch_op.create_index("ix_media_new", ["created_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_media_sha256"), ["sha256"], unique=False)

    op.create_table(
        "notice",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("target_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("placement", sa.String(length=20), nullable=False),
        sa.Column("html", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.create_index("ix_notice_new", ["created_at", "id"], unique=False)
        batch_op.create_index("ix_notice_target", ["scope", "target_id"], unique=False)

    op.create_table(
        "publication_stamp",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("made_for", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "replay",
        sa.Column("caller", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key"),
    )
    with op.batch_alter_table("replay", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_replay_created_at"), ["created_at"], unique=False)

    op.create_table(
        "section",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("articles", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("parent_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["section.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    with op.batch_alter_table("section", schema=None) as batch_op:
        batch_op.create_index("ix_section_articles", ["articles", "id"], unique=False)
        batch_op.create_index("ix_section_name", ["name", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_section_parent_id"), ["parent_id"], unique=False)

    op.create_table(
        "series",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("articles", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.create_index("ix_series_articles", ["articles", "id"], unique=False)
        batch_op.create_index("ix_series_name", ["name", "id"], unique=False)

    op.create_table(
        "tag",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("articles", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    with op.batch_alter_table("tag", schema=None) as batch_op:
        batch_op.create_index("ix_tag_articles", ["articles", "id"], unique=False)
        batch_op.create_index("ix_tag_name", ["name", "id"], unique=False)

    op.create_table(
        "article",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("latest_revision", sa.Integer(), nullable=False),
        sa.Column("published_revision", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("dek", sa.String(length=2000), nullable=True),
        sa.Column("excerpt", sa.String(length=2000), nullable=False),
        sa.Column("section_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("series_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("image_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("word_count", sa.Integer(), nullable=False),
        sa.Column("reading_minutes", sa.Integer(), nullable=False),
        sa.Column("featured", sa.Boolean(), nullable=False),
        sa.Column("usage_terms", sa.String(length=2000), nullable=True),
        sa.Column("copyright_holder", sa.String(length=300), nullable=True),
        sa.Column("embargoed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("corrections", sa.JSON(), nullable=False),
        sa.Column("retraction", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("card", sa.LargeBinary(), nullable=True),
        sa.Column("card_stamp", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["media.id"], ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["section_id"], ["section.id"], ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    with op.batch_alter_table("article", schema=None) as batch_op:
        batch_op.create_index("ix_article_card", ["card_stamp"], unique=False)
        batch_op.create_index("ix_article_due", ["due_at"], unique=False)
        batch_op.create_index("ix_article_featured", ["featured", "public", "listed_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_article_image_id"), ["image_id"], unique=False)
        batch_op.create_index("ix_article_language", ["language", "public", "listed_at", "id"], unique=False)
        batch_op.create_index("ix_article_published", ["public", "listed_at", "id"], unique=False)
        batch_op.create_index("ix_article_section", ["section_id", "public", "listed_at", "id"], unique=False)
        batch_op.create_index("ix_article_series", ["series_id", "public", "listed_at", "id"], unique=False)
        batch_op.create_index("ix_article_title", ["public", "title", "id"], unique=False)
        batch_op.create_index("ix_article_type", ["type", "public", "listed_at", "id"], unique=False)
        batch_op.create_index("ix_article_updated", ["public", "updated_at", "id"], unique=False)

    op.create_table(
        "author",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("slug", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("articles", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bio_html", sa.String(), nullable=False),
        sa.Column("bio_text", sa.String(), nullable=False),
        sa.Column("url", sa.String(length=2048), nullable=True),
        sa.Column("image_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["media.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("slug"),
    )
    with op.batch_alter_table("author", schema=None) as batch_op:
        batch_op.create_index("ix_author_articles", ["articles", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_author_image_id"), ["image_id"], unique=False)
        batch_op.create_index("ix_author_name", ["name", "id"], unique=False)

    op.create_table(
        "address",
        sa.Column("address", sa.String(length=500), nullable=False),
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.CheckConstraint("length(address) > 0", name="ck_address_not_empty"),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("address"),
    )
    with op.batch_alter_table("address", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_address_article_id"), ["article_id"], unique=False)

    op.create_table(
        "article_author",
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("author_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("article_id", "author_id"),
    )
    with op.batch_alter_table("article_author", schema=None) as batch_op:
        batch_op.create_index(
            "ix_article_author_list", ["author_id", "public", "listed_at", "article_id"], unique=False
        )

    op.create_table(
        "article_tag",
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("tag_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.id"], ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("article_id", "tag_id"),
    )
    with op.batch_alter_table("article_tag", schema=None) as batch_op:
        batch_op.create_index("ix_article_tag_list", ["tag_id", "public", "listed_at", "article_id"], unique=False)

    op.create_table(
        "preview",
        sa.Column("id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False),
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
    )
    with op.batch_alter_table("preview", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_preview_article_id"), ["article_id"], unique=False)

    op.create_table(
        "revision",
        sa.Column(
            "article_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=False
        ),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("restored_from", sa.Integer(), nullable=True),
        sa.Column("title", sa.String(length=300), nullable=False),
        sa.Column("dek", sa.String(length=2000), nullable=True),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=35), nullable=False),
        sa.Column("section_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("series_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("image_id", sa.String(length=36).with_variant(sa.Uuid(as_uuid=False), "postgresql"), nullable=True),
        sa.Column("authors", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("html", sa.String(), nullable=False),
        sa.Column("markdown", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("blocks", sa.JSON(), nullable=False),
        sa.Column("excerpt", sa.String(length=2000), nullable=False),
        sa.Column("word_count", sa.Integer(), nullable=False),
        sa.Column("reading_minutes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["article.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("article_id", "n"),
    )


def downgrade() -> None:
    op.drop_table("revision")
    with op.batch_alter_table("preview", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_preview_article_id"))

    op.drop_table("preview")
    with op.batch_alter_table("article_tag", schema=None) as batch_op:
        batch_op.drop_index("ix_article_tag_list")

    op.drop_table("article_tag")
    with op.batch_alter_table("article_author", schema=None) as batch_op:
        batch_op.drop_index("ix_article_author_list")

    op.drop_table("article_author")
    with op.batch_alter_table("address", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_address_article_id"))

    op.drop_table("address")
    with op.batch_alter_table("author", schema=None) as batch_op:
        batch_op.drop_index("ix_author_name")
        batch_op.drop_index(batch_op.f("ix_author_image_id"))
        batch_op.drop_index("ix_author_articles")

    op.drop_table("author")
    with op.batch_alter_table("article", schema=None) as batch_op:
        batch_op.drop_index("ix_article_updated")
        batch_op.drop_index("ix_article_type")
        batch_op.drop_index("ix_article_title")
        batch_op.drop_index("ix_article_series")
        batch_op.drop_index("ix_article_section")
        batch_op.drop_index("ix_article_published")
        batch_op.drop_index("ix_article_language")
        batch_op.drop_index(batch_op.f("ix_article_image_id"))
        batch_op.drop_index("ix_article_featured")
        batch_op.drop_index("ix_article_due")
        batch_op.drop_index("ix_article_card")

    op.drop_table("article")
    with op.batch_alter_table("tag", schema=None) as batch_op:
        batch_op.drop_index("ix_tag_name")
        batch_op.drop_index("ix_tag_articles")

    op.drop_table("tag")
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.drop_index("ix_series_name")
        batch_op.drop_index("ix_series_articles")

    op.drop_table("series")
    with op.batch_alter_table("section", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_section_parent_id"))
        batch_op.drop_index("ix_section_name")
        batch_op.drop_index("ix_section_articles")

    op.drop_table("section")
    with op.batch_alter_table("replay", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_replay_created_at"))

    op.drop_table("replay")
    op.drop_table("publication_stamp")
    with op.batch_alter_table("notice", schema=None) as batch_op:
        batch_op.drop_index("ix_notice_target")
        batch_op.drop_index("ix_notice_new")

    op.drop_table("notice")
    with op.batch_alter_table("media", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_media_sha256"))
        batch_op.drop_index("ix_media_new")
        batch_op.drop_index(batch_op.f("ix_media_key"))

    op.drop_table("media")
    op.drop_table("log_cursor")
    with op.batch_alter_table("import_source", schema=None) as batch_op:
        batch_op.drop_index("ix_import_source_local")

    op.drop_table("import_source")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_subject_id"))
        batch_op.drop_index("ix_event_order")
        batch_op.drop_index(batch_op.f("ix_event_at"))

    op.drop_table("event")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_subject")
        batch_op.drop_index("ix_audit_at")

    op.drop_table("audit")
    op.drop_table("api_key")

"""Creating, changing and deleting articles."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import discussions as discussion
from app.articles.addresses import change_slug, claim_slug, generate_slug
from app.articles.editorial_schemas import MAX_CUSTOM_BYTES, ArticleIn, ArticlePatch, ArticleSeoIn, BodyIn
from app.articles.media_addresses import Sizes, fill_sizes, relativize_source
from app.articles.projection import (
    IndexArticle,
    WrongState,
    build_event_fields,
    get_newest_revision,
    lock_article,
    refresh_visibility,
    take_snapshot,
)
from app.articles.revisions import RevisionChanges, apply_unless_fixed, body_columns_of, save_revision
from app.articles.tables import META_COLUMNS, Article, Revision
from app.blocks.convert import Body, body_from_blocks, body_from_html, body_from_markdown
from app.blocks.schemas import Block
from app.core.clock import now
from app.core.ids import new_id
from app.core.problems import Invalid
from app.db.rows import JsonObject
from app.events.catalog import ArticlePurged
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.permissions import require_in
from app.identity.schemas import Actor
from app.publication import media_library as media
from app.publication import notices
from app.publication.schemas import merge_seo
from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES, TAGS

MAX_SLUG_ATTEMPTS = 5  # when another request takes the generated slug first


class BodyOutdated(Exception):
    """Another revision was saved after the blocks whose ids the new body keeps had been read."""


class PreparedBody(NamedTuple):
    """A body converted before the transaction begins."""

    text: Body
    after: int | None = None  # the revision whose block ids it keeps, which must still be the newest; None: any


def read_body(body: BodyIn, previous: Sequence[Block] = (), bases: Sequence[str] = ()) -> Body:
    """Convert a body to all formats; ValueError beyond the bounds. May take seconds, so call it outside writes.

    `bases` are the addresses below which stored files are shown.
    """
    if body.markdown is not None:
        return body_from_markdown(relativize_source(body.markdown, bases), previous)
    return body_from_html(relativize_source(body.html or "", bases), previous)


def add_sizes(text: Body, sizes: Sizes) -> Body:
    """Return the body with width and height of stored pictures filled in."""
    return body_from_blocks(fill_sizes(text.blocks, sizes), text.dropped)


def body_pointer(body: BodyIn) -> str:
    """Return the JSON pointer to the format in which a body was sent."""
    return "/body/html" if body.markdown is None else "/body/markdown"


def make_body_problem(error: ValueError, body: BodyIn) -> Invalid:
    """Return the 422 for a body that cannot be converted; the error describes its structure, not its content."""
    return Invalid(str(error), pointer=body_pointer(body), code="body_refused")


def refuse_data_images(text: Body, body: BodyIn) -> Body:
    """Raise 422 if the body embeds pictures as data: URLs; otherwise return it."""
    if any(each.reason == "data_image" for each in text.dropped):
        raise Invalid(
            "An image is embedded as a data: URL. Upload it with POST /v1/media and use its URL.",
            pointer=body_pointer(body),
            code="data_image",
        )
    return text


def convert_body(body: BodyIn, previous: Sequence[Block] = ()) -> Body:
    """Convert a body immediately, outside of the server; 422 if it cannot be converted."""
    try:
        text = read_body(body, previous)
    except ValueError as error:
        raise make_body_problem(error, body) from error
    return refuse_data_images(text, body)


def _text_changes(
    session: Session, actor: Actor, data: ArticlePatch, old: Revision | None, text: Body | None
) -> RevisionChanges:
    """Return the columns of the next revision that the request changes, with references resolved to ids."""
    sent_fields = data.model_fields_set if old else set(ArticlePatch.model_fields)
    plain = {name: getattr(data, name) for name in ("title", "dek", "type", "language") if name in sent_fields}
    changes = cast(RevisionChanges, plain)
    if "section" in sent_fields:
        changes["section_id"] = SECTIONS.require(session, data.section, "/section") if data.section else None
    if "series" in sent_fields:
        changes["series_id"] = SERIES.require(session, data.series, "/series") if data.series else None
    if "image" in sent_fields:
        changes["image_id"] = media.require_media(session, data.image) if data.image else None
    if "authors" in sent_fields:
        changes["authors"] = AUTHORS.require_all(session, data.authors)
    if "tags" in sent_fields:
        changes["tags"] = TAGS.require_all(session, actor, data.tags)
    if "body" in sent_fields:
        changes |= body_columns_of(text or convert_body(data.body, cast("list[Block]", old.blocks) if old else []))
    require_in(actor, "content:write", changes.get("section_id", old.section_id if old else None))
    different = {name: value for name, value in changes.items() if old is None or getattr(old, name) != value}
    return cast(RevisionChanges, different)


def _head_values(session: Session, article: Article, data: ArticlePatch) -> JsonObject:
    """Return the columns of what search engines and networks are told, as far as they were sent."""
    values: JsonObject = {}
    if "seo" in data.model_fields_set:
        sent = data.seo.model_dump(exclude_unset=True) if data.seo else dict.fromkeys(ArticleSeoIn.model_fields)
        if "image" in sent:
            image = sent.pop("image")
            values["seo_image_id"] = media.require_media(session, image, "/seo/image") if image else None
        values["seo"] = merge_seo(article.seo, sent if data.seo else None)
    if "canonical_url" in data.model_fields_set:
        values["canonical_url"] = data.canonical_url
    if "source" in data.model_fields_set:
        values["source"] = data.source.model_dump() if data.source else None
    return values


def _set_facts(session: Session, article: Article, data: ArticlePatch) -> list[str]:
    """Set the fields that take effect at once; returns the names of those that changed."""
    values: JsonObject = {name: getattr(data.rights, name) for name in data.rights.model_fields_set}
    values |= _head_values(session, article, data)
    if "featured" in data.model_fields_set:
        values["featured"] = data.featured
    if "published_at" in data.model_fields_set:
        if data.published_at and data.published_at > now():
            raise Invalid("published_at is in the future; schedule the article instead.", pointer="/published_at")
        if data.published_at is None and article.state in {"published", "retracted"}:
            raise Invalid("A published article has a published_at.", pointer="/published_at")
        values["published_at"] = data.published_at
    changed = [name for name, value in values.items() if getattr(article, name) != value]
    if "published_at" in changed:
        article.backdated = data.published_at is not None
    for name in changed:
        setattr(article, name, values[name])
    if article.embargoed_until and article.expires_at and article.expires_at <= article.embargoed_until:
        raise Invalid("expires_at must be later than embargoed_until.", pointer="/rights/expires_at")
    return sorted({"seo" if name == "seo_image_id" else name for name in changed})


def _set_custom(article: Article, data: ArticlePatch) -> bool:
    """Merge the custom data of the request; returns whether it changed. Readers never see it."""
    if "custom" not in data.model_fields_set:
        return False
    merged = {**(article.custom or {}), **data.custom} if data.custom is not None else {}
    custom = {name: value for name, value in merged.items() if value is not None} or None
    if len(json.dumps(custom, ensure_ascii=False).encode()) > MAX_CUSTOM_BYTES:
        raise Invalid(f"custom would be larger than {MAX_CUSTOM_BYTES:,} bytes.", pointer="/custom", code="too_long")
    changed = custom != article.custom
    article.custom = custom
    return changed


def _insert_article(session: Session, article_id: str, data: ArticleIn, values: RevisionChanges) -> Article:
    """Insert the row under the slug sent, or under a free one generated from the title."""
    moment = now()
    columns: dict[str, Any] = {name: value for name, value in values.items() if name in Article.model_fields}
    for attempt in range(MAX_SLUG_ATTEMPTS):
        slug = (
            claim_slug(session, article_id, data.slug)
            if data.slug
            else generate_slug(session, data.title, language=data.language)
        )
        article = Article(
            id=article_id,
            slug=slug,
            state="draft",
            revision=0,
            latest_revision=0,
            created_at=moment,
            updated_at=moment,
            listed_at=moment,
            edited_at=moment,
            **columns,
        )
        try:
            with session.begin_nested():
                session.add(article)
                session.flush()
        except sa.exc.IntegrityError:
            if attempt == MAX_SLUG_ATTEMPTS - 1:
                raise
        else:
            return article
    raise AssertionError("the last try returns or raises")


def create_article(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    data: ArticleIn,
    article_id: str | None = None,
    text: Body | None = None,
    updated_at: datetime | None = None,
) -> str:
    """Create a draft; returns its id. `text` is the converted body; imports pass `article_id` and `updated_at`."""
    values = _text_changes(session, actor, data, None, text)
    article = _insert_article(session, article_id or new_id(), data, values)
    before = take_snapshot(session, article)
    article.version = 0  # refresh_visibility makes it 1
    _set_facts(session, article, data)
    _set_custom(article, data)
    apply_unless_fixed(session, article, save_revision(session, actor, article, values))
    article.updated_at = updated_at or article.updated_at
    refresh_visibility(session, actor, index_article, article, before, [])
    record_action(session, actor, "article.create", "article", article.id, {"slug": article.slug})
    return article.id


def list_differing_fields(session: Session, article: Article, data: ArticlePatch, text: Body | None) -> list[str]:
    """List the fields sent that differ from the stored ones, for the 412 that reports a conflict."""
    revision = get_newest_revision(session, article)
    sent_fields = data.model_fields_set
    plain = {"slug": article.slug, "featured": article.featured, "published_at": article.published_at}
    plain |= {name: getattr(revision, name) for name in ("title", "dek", "type", "language")}
    fields = [name for name, value in plain.items() if name in sent_fields and getattr(data, name) != value]
    if "body" in sent_fields:
        text = text or convert_body(data.body, cast("list[Block]", revision.blocks))
        fields += ["body"] if text.html != revision.html else []
    return fields


def update_article(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    ref: str,
    data: ArticlePatch,
    versions: frozenset[int] | None,
    text: Body | None = None,
    after: int | None = None,
) -> str:
    """Update an article; changes of the text make a new revision. Without a difference the version stays.

    Raises `BodyOutdated` if `after` is set and is not the newest revision.
    """
    article = lock_article(session, actor, ref, None, [], scope="content:write")
    if versions is not None and article.version not in versions:
        lock_article(
            session, actor, ref, versions, list_differing_fields(session, article, data, text), scope="content:write"
        )
    if after is not None and after != article.latest_revision:
        raise BodyOutdated
    before = take_snapshot(session, article)
    changes = _text_changes(session, actor, data, get_newest_revision(session, article), text)
    facts = _set_facts(session, article, data)
    if "slug" in data.model_fields_set:
        title = changes.get("title", get_newest_revision(session, article).title)
        language = changes.get("language", get_newest_revision(session, article).language)
        slug = data.slug or generate_slug(session, title, article.id, language)
        if slug != article.slug:
            change_slug(session, article, slug)
            facts.append("slug")
    has_new_custom = _set_custom(article, data)
    if not changes and not facts and not has_new_custom:
        return article.id
    shown: list[str] = []
    if changes:
        shown = apply_unless_fixed(session, article, save_revision(session, actor, article, changes))
    refresh_visibility(session, actor, index_article, article, before, facts + shown)
    fields = sorted({name.removesuffix("_id") for name in changes if name in META_COLUMNS} | set(facts))
    fields += (["body"] if "html" in changes else []) + (["custom"] if has_new_custom else [])
    record_action(session, actor, "article.edit", "article", article.id, {"fields": fields})
    return article.id


def delete_article(session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
    """Delete a draft that was never published, with its revisions; others are unpublished or retracted."""
    article = lock_article(session, actor, ref, versions, [], scope="content:write")
    was_published = article.state != "draft" or article.published_revision is not None
    if was_published:
        raise WrongState("Only drafts that were never published can be deleted; unpublish or retract the article.")
    notices.delete_notices_of(session, "article", article.id)
    discussion.delete_settings(session, article.id)
    record_action(session, actor, "article.delete", "article", article.id, {"slug": article.slug})
    session.delete(article)


def erase_article(session: Session, article: Article) -> None:
    """Delete an article in any state, with its revisions; emits its id if it was ever public."""
    was_public = article.published_revision is not None
    within = build_event_fields(session, article)["within"]
    session.delete(article)
    session.flush()
    if was_public:
        emit(session, ArticlePurged(subject_id=article.id, within=within))

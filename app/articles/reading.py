"""Reading whole articles from the tables, one statement each; who may read them; how they are presented."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Protocol, TypedDict, cast

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from app.articles import discussion_settings as discussion
from app.articles.media_addresses import TEXT_PICTURE_COLUMNS, present_body
from app.articles.tables import Article, ArticleAuthor, ArticleTag, Revision, RevisionMedia
from app.core.ids import is_id
from app.db.columns import is_among, json_rows, table_of
from app.db.prepared import Prepared
from app.db.rows import Column, JsonObject, Statement, fetch_row
from app.identity.schemas import Actor
from app.publication.notice_targets import NoticeTarget
from app.publication.schemas import SEO_NAMES, present_image, present_seo
from app.publication.section_tree import CLOSURE
from app.publication.site import AncestorRow, PlaceKind, Site, present_breadcrumbs, present_sections
from app.publication.tables import Author, Media, Notice, Section, Series, Tag
from app.publication.term_queries import ancestors_of, syndication_of


class RetractionColumn(TypedDict):
    """Why and when an article was retracted; `legal` if the law forbids showing it (RFC 7725)."""

    at: str
    reason: str
    legal: bool


class VisibilityRow(TypedDict):
    """The columns that decide who may read an article."""

    public: bool
    section_id: str | None


ARTICLE = table_of(Article)
ARTICLE_AUTHOR = table_of(ArticleAuthor)
ARTICLE_TAG = table_of(ArticleTag)
REVISION, REVISION_MEDIA = table_of(Revision), table_of(RevisionMedia)
AUTHOR, TAG, SECTION, SERIES = table_of(Author), table_of(Tag), table_of(Section), table_of(Series)
MEDIA, NOTICE = table_of(Media), table_of(Notice)
MAX_SECTION_DEPTH = 1000  # of nested sections, whose notices keep their order
EDITING_COLUMNS = (
    "version",
    "latest_revision",
    "scheduled_at",
    "scheduled_revision",
    "created_at",
    "edited_at",
    "syndication",
    "custom",
    "approval",
    "approval_revision",
    "approval_at",
    "approval_by",
)
RIGHTS_COLUMNS = ("usage_terms", "copyright_holder", "territory", "embargoed_until", "expires_at")
_INTERNAL_COLUMNS = {
    "highest_version",
    "listed",
    "title_key",
    "series_id",
    "image_id",
    "due_at",
    "card",
    "card_discussion",
}
_ARTICLE_COLUMNS = [column for column in ARTICLE.c if column.key not in _INTERNAL_COLUMNS]
_SECTION_COLUMNS = [ancestors_of(ARTICLE.c.section_id).label("sections")]
_SECTION_COLUMNS.append(syndication_of(ARTICLE.c.section_id).label("section_syndication"))
_SERIES_COLUMNS = [column.label(f"series_{column.key}") for column in (SERIES.c.id, SERIES.c.slug, SERIES.c.name)]
_SEO_IMAGE = MEDIA.alias("seo_image")
_SEO_IMAGE_COLUMNS = [column.label(f"seo_image_{column.key}_of") for column in _SEO_IMAGE.c]
_IMAGE_COLUMNS = [column.label(f"image_{column.key}") for column in MEDIA.c]


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """Return the one rule of visibility: everyone sees public articles, readers of drafts also their sections."""
    if not actor.reads_drafts:
        return ARTICLE.c.public
    if actor.draft_sections is None:
        return sa.true()
    return ARTICLE.c.public | ARTICLE.c.section_id.in_(sorted(actor.draft_sections))


def select_visible_ids(actor: Actor) -> Statement:
    """Select the ids of the articles that a caller may read."""
    return sa.select(ARTICLE.c.id).where(visible_to(actor))


def is_offered() -> ColumnElement[bool]:
    """Select whether partners may read an article at any syndication level."""
    return sa.func.coalesce(ARTICLE.c.syndication, syndication_of(ARTICLE.c.section_id), "full") != "none"


def _select_terms(rows: Column, links: sa.Table, terms: sa.FromClause) -> Column:
    """Select rows of the terms that an article has by a table of links."""
    query = sa.select(rows).select_from(terms).where(links.c.article_id == ARTICLE.c.id)
    return query.correlate(ARTICLE).scalar_subquery()


def _authors_column() -> Column:
    rows = json_rows(ARTICLE_AUTHOR.c.position, id=AUTHOR.c.id, slug=AUTHOR.c.slug, name=AUTHOR.c.name)
    joined = ARTICLE_AUTHOR.join(AUTHOR, AUTHOR.c.id == ARTICLE_AUTHOR.c.author_id)
    return _select_terms(rows, ARTICLE_AUTHOR, joined)


def _tags_column() -> Column:
    rows = json_rows(ARTICLE_TAG.c.position, slug=TAG.c.slug, name=TAG.c.name)
    return _select_terms(rows, ARTICLE_TAG, ARTICLE_TAG.join(TAG, TAG.c.id == ARTICLE_TAG.c.tag_id))


def select_text_pictures(article_id: Column, n: Column) -> Statement:
    """Select the stored pictures in the text of a revision, as one JSON array of `TextPicture`."""
    picture = MEDIA.alias("text_media")
    rows = json_rows(picture.c.id, **{name: picture.c[name] for name in TEXT_PICTURE_COLUMNS})
    linked = REVISION_MEDIA.join(picture, picture.c.id == REVISION_MEDIA.c.media_id)
    is_linked = (REVISION_MEDIA.c.article_id == article_id) & (REVISION_MEDIA.c.n == n)
    return sa.select(rows.label("pictures")).select_from(linked).where(is_linked)


def pictures_column() -> Column:
    """Select the stored pictures in the text that an article shows."""
    pictures = select_text_pictures(ARTICLE.c.id, ARTICLE.c.revision)
    return pictures.correlate(ARTICLE).scalar_subquery().label("pictures")


PICTURED_FORMATS = frozenset({"html", "blocks"})
"""The formats of a text that show renditions and credits of its pictures."""


def _notices_column() -> Column:
    """Select the notices of an article: from the widest scope to the narrowest, outer sections first."""
    above = sa.select(CLOSURE.c.depth).where(CLOSURE.c.descendant_id == ARTICLE.c.section_id).correlate(ARTICLE, NOTICE)
    authors = (
        sa.select(ARTICLE_AUTHOR.c.author_id).where(ARTICLE_AUTHOR.c.article_id == ARTICLE.c.id).correlate(ARTICLE)
    )
    attached = [
        ("site", NOTICE.c.target_id.is_(None)),
        ("section", NOTICE.c.target_id.in_(above.with_only_columns(CLOSURE.c.ancestor_id))),
        ("series", NOTICE.c.target_id == ARTICLE.c.series_id),
        ("author", NOTICE.c.target_id.in_(authors)),
        ("article", NOTICE.c.target_id == ARTICLE.c.id),
    ]
    rank = sa.case({scope: at for at, (scope, _) in enumerate(attached)}, value=NOTICE.c.scope)
    depth = sa.func.coalesce(above.where(CLOSURE.c.ancestor_id == NOTICE.c.target_id).scalar_subquery(), 0)
    order = (sa.cast(rank, sa.BigInteger) * MAX_SECTION_DEPTH - depth) * 1_000_000 + NOTICE.c.position  # beyond 32 bits
    fields = {name: NOTICE.c[name] for name in ("id", "placement", "scope", "html", "text")}
    attached_to_article = sa.or_(*((NOTICE.c.scope == scope) & matches for scope, matches in attached))
    return sa.select(json_rows(order, **fields)).where(attached_to_article).correlate(ARTICLE).scalar_subquery()


@lru_cache(64)
def select_articles(formats: tuple[str, ...] = ()) -> Statement:
    """Select everything that articles show, without WHERE; `present_article` takes the rows."""
    columns: list[Column] = [*_ARTICLE_COLUMNS, *_SECTION_COLUMNS, *_SERIES_COLUMNS, *_IMAGE_COLUMNS]
    columns += [*_SEO_IMAGE_COLUMNS, *discussion.DISCUSSION_COLUMNS]
    columns += [_authors_column().label("authors"), _tags_column().label("tags"), _notices_column().label("notices")]
    tables: sa.FromClause = ARTICLE.outerjoin(SERIES, SERIES.c.id == ARTICLE.c.series_id)
    tables = tables.outerjoin(_SEO_IMAGE, _SEO_IMAGE.c.id == ARTICLE.c.seo_image_id)
    tables = discussion.join_discussion(tables.outerjoin(MEDIA, MEDIA.c.id == ARTICLE.c.image_id))
    if formats:
        tables = tables.join(REVISION, (REVISION.c.article_id == ARTICLE.c.id) & (REVISION.c.n == ARTICLE.c.revision))
        columns += [REVISION.c[name].label(f"body_{name}") for name in formats]
    if PICTURED_FORMATS.intersection(formats):
        columns.append(pictures_column())
    return sa.select(*columns).select_from(tables)


class FullArticleRow(discussion.DiscussionRow):
    """A row of `select_articles`: the columns that are read one by one; others are only presented."""

    id: str
    slug: str
    type: str
    version: int
    state: str
    public: bool
    revision: int
    latest_revision: int
    published_revision: int | None
    published_at: datetime | None
    listed_at: datetime
    section_id: str | None
    sections: Sequence[AncestorRow] | None
    section_syndication: str | None
    series_id: str | None
    image_id: str | None
    syndication: str | None
    retraction: RetractionColumn | None
    card_stamp: int


def _select_by_ids(dialect: str) -> Statement:
    return select_articles().where(is_among(dialect, ARTICLE.c.id, "ids"))


_BY_IDS: Prepared[FullArticleRow] = Prepared(_select_by_ids)


def fetch_articles(connection: sa.Connection, ids: Sequence[str]) -> list[FullArticleRow]:
    """Fetch articles by their ids from all tables, in any order."""
    return _BY_IDS.rows(connection, {"ids": list(ids)})


def _present_series(row: Mapping[str, object], site: Site) -> JsonObject | None:
    if row["series_id"] is None:
        return None
    url = site.url_of("series", str(row["series_slug"]))
    return {"id": row["series_id"], "slug": row["series_slug"], "name": row["series_name"], "url": url}


def _present_seo(row: Mapping[str, object], site: Site) -> JsonObject | None:
    """Return what differs for search engines and networks, or None for nothing."""
    has_image = row["seo_image_id_of"] is not None
    if row["seo"] is None and not has_image:
        return None
    image = {column.key: row[f"seo_image_{column.key}_of"] for column in MEDIA.c} if has_image else None
    seo = present_seo(row["seo"]) or dict.fromkeys(SEO_NAMES)
    return {**seo, "image": image and present_image(image, site.media)}


def _present_terms(kind: PlaceKind, terms: object, site: Site) -> list[JsonObject]:
    """Add their addresses to terms as `json_rows` selects them."""
    rows = cast("Sequence[JsonObject] | None", terms) or ()
    return [{**row, "url": site.url_of(kind, str(row["slug"]))} for row in rows]


def url_of_article(row: FullArticleRow, site: Site) -> str:
    """Return the address of an article of `select_articles` on the publication's site."""
    section = row["sections"][-1]["path"] if row["sections"] else None
    return site.url + site.path_of(section, row["slug"], row["published_at"], row["type"], row["id"])


def present_article(
    row: FullArticleRow, site: Site, formats: Sequence[str] = (), *, editing: bool = False
) -> JsonObject:
    """Shape a row of `select_articles` as `ArticleOut`; `editing` adds what only editors see."""
    columns: Mapping[str, object] = row
    out: JsonObject = dict(columns)
    sections = present_sections(row["sections"], site)
    parent = sections[-2] if len(sections) > 1 else None
    out["section"] = {**sections[-1], "parent": parent} if sections else None
    out["breadcrumbs"], out["series"] = present_breadcrumbs(sections), _present_series(columns, site)
    out["image"] = (
        present_image({c.key: columns[f"image_{c.key}"] for c in MEDIA.c}, site.media) if row["image_id"] else None
    )
    out["seo"] = _present_seo(columns, site)
    out["authors"] = _present_terms("author", columns["authors"], site)
    out["tags"], out["notices"] = _present_terms("tag", columns["tags"], site), columns["notices"] or []
    out["url"] = url_of_article(row, site)
    out |= discussion.present_discussion(row, site.reactions)
    level = row["syndication"] or row["section_syndication"] or "full"
    out["rights"] = {**{name: columns[name] for name in RIGHTS_COLUMNS}, "syndication": level}
    if formats:
        out["body"] = present_body(columns, formats, site.media)
    if editing:
        out["editing"] = present_editing(columns)
    return out


def present_editing(row: Mapping[str, object]) -> JsonObject:
    """Return what only editors see of an article, from a row with `EDITING_COLUMNS`."""
    values = {name: row[name] for name in EDITING_COLUMNS}
    state = values.pop("approval")
    step = {name: values.pop(f"approval_{name}") for name in ("revision", "at", "by")}
    return {**values, "approval": {"state": state, **step}}


@lru_cache(128)
def _select_article(formats: tuple[str, ...], by_id: bool) -> Prepared[FullArticleRow]:
    column = ARTICLE.c.id if by_id else ARTICLE.c.slug
    return Prepared(select_articles(formats).where(column == sa.bindparam("ref", type_=column.type)))


def find_article(connection: sa.Connection, ref: str, formats: tuple[str, ...] = ()) -> FullArticleRow | None:
    """Find the row of an article by id or slug, without checking access: see `is_visible`."""
    return _select_article(formats, is_id(ref)).row(connection, {"ref": ref})


def find_notice_target(connection: sa.Connection, ref: str) -> NoticeTarget | None:
    """Find the article of a notice, and whether readers see it now or at a set time."""
    coming = (ARTICLE.c.state == "scheduled") | ((ARTICLE.c.state == "published") & ARTICLE.c.due_at.is_not(None))
    column = ARTICLE.c.id if is_id(ref) else ARTICLE.c.slug
    query = sa.select(ARTICLE.c.id, ARTICLE.c.section_id, (ARTICLE.c.public | coming).label("shown")).where(
        column == ref
    )
    return fetch_row(connection, query, NoticeTarget)


class ArticlesWithNotices:
    """Implements `app.publication.notice_targets.NoticeArticles`."""

    find = staticmethod(find_notice_target)
    select_visible = staticmethod(select_visible_ids)


def is_visible(row: VisibilityRow, actor: Actor) -> bool:
    """Apply the rule of `visible_to` to a row."""
    return bool(row["public"]) or actor.reads_drafts_in(row["section_id"])


class EarlyRow(TypedDict):
    """The columns that decide who may read an article before it is public."""

    id: str
    state: str


class EarlyAccess(Protocol):
    """Tells whether a partner is named for an article that will be public; implemented by the room `partners`."""

    def __call__(self, connection: sa.Connection, article_id: str, key_id: str, /) -> bool: ...


def can_read_early(connection: sa.Connection, row: EarlyRow, actor: Actor, is_named: EarlyAccess) -> bool:
    """Whether a partner may read an article before it is public; call it only for such articles."""
    coming = row["state"] in ("published", "scheduled") and actor.is_partner and actor.id is not None
    return coming and is_named(connection, row["id"], str(actor.id))

"""Reads everything that the publication holds, public or not, in chunks; never a token or a hash."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple, TypedDict, cast

import sqlalchemy as sa

from app.articles.periods import PERIOD
from app.articles.reading import (
    ARTICLE,
    MEDIA,
    NOTICE,
    REVISION,
    FullArticleRow,
    present_article,
    select_articles,
)
from app.articles.schemas import TEXT_FORMATS, SingleArticleOut
from app.articles.tables import Address
from app.blocks.schemas import Block
from app.comments.reading import C
from app.db.columns import table_of
from app.db.rows import Column, JsonObject, Statement
from app.fronts.fronts import FRONT
from app.fronts.tables import FrontPeriod
from app.identity.tables import Participant
from app.people.grants import list_given
from app.people.roles import ROLE
from app.people.tables import Person
from app.publication.media_library import present_media
from app.publication.site import Site
from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES, TAGS
from app.releases.items import ITEM
from app.releases.reach import RELEASE
from app.site.profile import find_profile, present_definition
from app.site.redirects import REDIRECT

NO_FILES = ""  # files are exported as paths, since this server may be gone when the export is read
ARTICLES_PER_CHUNK, ROWS_PER_CHUNK = 50, 500
_ADDRESS, _PARTICIPANT = table_of(Address), table_of(Participant)
_PERSON = table_of(Person)
FRONT_PERIOD: Final = table_of(FrontPeriod)
_PERSON_MEMBERS = "id name email mails created_at accepted_at suspended_at deleted_at".split()
_HIDDEN_COLUMNS = frozenset(
    "version skeleton parent_id ancestors path image_id key token words focal_x focal_y original crops".split()
)


class AuthorJson(TypedDict):
    """The members of an author that are read here."""

    id: str
    slug: str
    name: str


class ParentJson(TypedDict):
    """The parent of a section."""

    slug: str


class SectionJson(TypedDict):
    """The members of a section that are read here."""

    slug: str
    name: str
    description: str
    parent: ParentJson | None


class TagJson(TypedDict):
    """The members of a tag that are read here."""

    slug: str
    name: str
    description: str


class MediaJson(TypedDict):
    """The members of a picture that are read here."""

    id: str
    url: str
    alt: str
    caption: str
    created_at: datetime


class AddressRow(TypedDict):
    """A former slug or path of an article."""

    address: str
    article_id: str


class CommentRow(TypedDict):
    """A comment in any state, with its author as given when it was posted."""

    id: str
    article_id: str
    parent_id: str | None
    root_id: str
    depth: int
    anchor_id: str | None
    state: str
    featured: bool
    upvotes: int
    downvotes: int
    author_id: str | None
    author_name: str
    author_kind: str
    badges: list[str]
    email: str | None
    source: str
    html: str
    text: str
    created_at: datetime
    edited_at: datetime | None
    removed_by: str | None
    profile_id: str | None  # the author of the publication who wrote it


_PROFILE_ID = sa.select(_PARTICIPANT.c.author_id).where(_PARTICIPANT.c.id == C.c.participant_id).scalar_subquery()
_SELECT_COMMENTS = sa.select(
    *(C.c[name] for name in CommentRow.__annotations__ if name != "profile_id"), _PROFILE_ID.label("profile_id")
)


@dataclass(frozen=True)
class ExportedArticle:
    """An article as editors see it, with its text in every format."""

    content: SingleArticleOut
    public: bool
    retraction: JsonObject | None

    @property
    def blocks(self) -> list[Block]:
        """The text as blocks."""
        return (self.content.body and self.content.body.blocks) or []

    @property
    def markdown(self) -> str:
        """The text as Markdown."""
        return (self.content.body and self.content.body.markdown) or ""

    def to_json(self) -> JsonObject:
        """Return the article as one object."""
        return {**self.content.model_dump(exclude_unset=True), "public": self.public, "retraction": self.retraction}


class TermSource(NamedTuple):
    """Selects the terms of a kind, and gives them the shape that they have in the API."""

    query: Statement
    present: Callable[[JsonObject, Site], JsonObject]


def _present_as_is(row: JsonObject, _: Site) -> JsonObject:
    return row


TERM_SOURCES = {
    "section": TermSource(SECTIONS.select_terms, SECTIONS.present),
    "tag": TermSource(TAGS.select_terms, TAGS.present),
    "author": TermSource(AUTHORS.select_terms, AUTHORS.present),
    "series": TermSource(SERIES.select_terms, SERIES.present),
    "media": TermSource(sa.select(MEDIA), lambda row, site: present_media(row, site.media)),
    "notice": TermSource(sa.select(NOTICE), _present_as_is),
}
"""Sections, tags, authors and series, pictures and notices, in the order in which they are exported."""


def _read_chunks(
    connection: sa.Connection, query: Statement, keys: Sequence[Column], size: int
) -> Iterator[list[JsonObject]]:
    """Yield the rows of a query in the order of its keys; each chunk is one range of an index."""
    after = [sa.bindparam(f"after_{key.key}", type_=key.type) for key in keys]
    query = query.order_by(*keys).limit(size)
    rows: list[JsonObject] = [row._asdict() for row in connection.execute(query)]
    next_query = query.where(sa.tuple_(*keys) > sa.tuple_(*after))
    while rows:
        yield rows
        if len(rows) < size:
            return
        values = {f"after_{key.key}": rows[-1][key.key] for key in keys if key.key}
        rows = [row._asdict() for row in connection.execute(next_query, values)]


def read_terms(connection: sa.Connection, kind: str, site: Site) -> Iterator[JsonObject]:
    """Yield the terms of a kind of `TERM_SOURCES` in the shape of the API, without internal columns."""
    query, present = TERM_SOURCES[kind]
    site = replace(site, media=NO_FILES)
    for rows in _read_chunks(connection, query, [query.selected_columns["id"]], ROWS_PER_CHUNK):
        for row in rows:
            yield {name: value for name, value in present(row, site).items() if _is_exported(name)}


def _is_exported(name: str) -> bool:
    return name not in _HIDDEN_COLUMNS and not name.startswith("picture_")


def read_authors(connection: sa.Connection, site: Site) -> Iterator[AuthorJson]:
    """Yield the authors."""
    return cast(Iterator[AuthorJson], read_terms(connection, "author", site))


def read_sections(connection: sa.Connection, site: Site) -> Iterator[SectionJson]:
    """Yield the sections."""
    return cast(Iterator[SectionJson], read_terms(connection, "section", site))


def read_tags(connection: sa.Connection, site: Site) -> Iterator[TagJson]:
    """Yield the tags."""
    return cast(Iterator[TagJson], read_terms(connection, "tag", site))


def read_media(connection: sa.Connection, site: Site) -> Iterator[MediaJson]:
    """Yield the pictures."""
    return cast(Iterator[MediaJson], read_terms(connection, "media", site))


def read_articles(connection: sa.Connection, site: Site) -> Iterator[list[ExportedArticle]]:
    """Yield the articles in all states, in chunks."""
    for rows in _read_chunks(connection, select_articles(TEXT_FORMATS), [ARTICLE.c.id], ARTICLES_PER_CHUNK):
        yield [_make_article(cast(FullArticleRow, row), site) for row in rows]


def _make_article(row: FullArticleRow, site: Site) -> ExportedArticle:
    article = present_article(row, replace(site, media=NO_FILES), TEXT_FORMATS, editing=True)
    retraction = cast("JsonObject | None", row["retraction"])
    return ExportedArticle(SingleArticleOut.model_validate(article), bool(row["public"]), retraction)


def read_revisions(connection: sa.Connection) -> Iterator[JsonObject]:
    """Yield all revisions of all articles."""
    keys = [REVISION.c.article_id, REVISION.c.n]
    for rows in _read_chunks(connection, sa.select(REVISION), keys, ARTICLES_PER_CHUNK):
        yield from rows


def read_addresses(connection: sa.Connection, article_ids: Sequence[str] | None = None) -> Iterator[AddressRow]:
    """Yield the former slugs and paths of these articles, or of all."""
    query = sa.select(_ADDRESS.c.address, _ADDRESS.c.article_id)
    query = query if article_ids is None else query.where(_ADDRESS.c.article_id.in_(article_ids))
    for rows in _read_chunks(connection, query, [_ADDRESS.c.address], ROWS_PER_CHUNK):
        yield from cast(list[AddressRow], rows)


def read_profile(connection: sa.Connection) -> JsonObject:
    """Return what editors say of the site, with its menus."""
    return {name: value for name, value in present_definition(find_profile(connection)).items() if _is_exported(name)}


def read_redirects(connection: sa.Connection) -> Iterator[JsonObject]:
    """Yield the redirects."""
    for rows in _read_chunks(connection, sa.select(REDIRECT), [REDIRECT.c.id], ROWS_PER_CHUNK):
        yield from ({name: value for name, value in row.items() if _is_exported(name)} for row in rows)


HISTORY: Final = {
    "front": FRONT,
    "article_period": PERIOD,
    "front_period": FRONT_PERIOD,
    "release": RELEASE,
    "release_item": ITEM,
}
"""The tables of what was public when, and of what will be; their rows stand in an export as they are."""


def read_history(connection: sa.Connection, kind: str) -> Iterator[JsonObject]:
    """Yield the rows of a table of `HISTORY`."""
    table = HISTORY[kind]
    for rows in _read_chunks(connection, sa.select(table), [table.c.id], ROWS_PER_CHUNK):
        yield from rows


def read_roles(connection: sa.Connection) -> Iterator[JsonObject]:
    """Yield the roles of the publication; those that are built in are the same everywhere."""
    yield from (dict(row) for row in connection.execute(sa.select(ROLE).order_by(ROLE.c.slug)).mappings())


def read_people(connection: sa.Connection) -> Iterator[JsonObject]:
    """Yield the people of the staff with their roles, and nothing with which they sign in."""
    columns = [_PERSON.c[name] for name in _PERSON_MEMBERS]
    for rows in _read_chunks(connection, sa.select(*columns), [_PERSON.c.id], ROWS_PER_CHUNK):
        given = list_given(connection, [str(row["id"]) for row in rows])
        yield from ({**row, "grants": given[str(row["id"])]} for row in rows)


def find_discussed(connection: sa.Connection, article_ids: Sequence[str]) -> set[str]:
    """Return the ids of those of these articles that have comments."""
    has_comments = sa.select(sa.literal(1)).where(C.c.article_id == ARTICLE.c.id).exists()
    query = sa.select(ARTICLE.c.id).where(ARTICLE.c.id.in_(article_ids), has_comments)
    return set(connection.execute(query).scalars())


def read_comments(connection: sa.Connection) -> Iterator[CommentRow]:
    """Yield all comments."""
    for rows in _read_chunks(connection, _SELECT_COMMENTS, [C.c.id], ROWS_PER_CHUNK):
        yield from cast(list[CommentRow], rows)


def read_discussion(connection: sa.Connection, article_id: str) -> Iterator[CommentRow]:
    """Yield the comments on an article, oldest first."""
    # No index has this order, so the database sorts once, and the rows are streamed.
    query = _SELECT_COMMENTS.where(C.c.article_id == article_id).order_by(C.c.created_at, C.c.depth, C.c.id)
    for row in connection.execute(query.execution_options(yield_per=ROWS_PER_CHUNK)):
        yield cast(CommentRow, row._asdict())


def count_content(connection: sa.Connection) -> tuple[int, int]:
    """Return the number of articles and of comments."""
    counts = [connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() for table in (ARTICLE, C)]
    return counts[0], counts[1]


def find_main_language(connection: sa.Connection) -> str | None:
    """Return the language of most articles, or None if there are no articles."""
    query = (
        sa.select(ARTICLE.c.language)
        .group_by(ARTICLE.c.language)
        .order_by(sa.func.count().desc(), ARTICLE.c.language)
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()

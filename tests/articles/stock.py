"""Articles put straight into the tables, many at once, and the same articles as plain Python can filter and sort."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.articles.tables import Article, ArticleAuthor, ArticleTag, Revision
from app.core.clock import format_rfc3339
from app.core.ids import new_id
from app.db import Database
from app.db.columns import table_of
from app.publication.section_tree import CLOSURE
from app.publication.tables import Author, Section, Series, Tag
from app.text.collation import collation_key

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
TERMS = {"section": Section, "series": Series, "author": Author, "tag": Tag}
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Term:
    """A section, series, author or tag."""

    id: str
    slug: str


@dataclass(frozen=True)
class Piece:
    """One article as lists see it."""

    id: str
    slug: str
    title: str = "a title"
    type: str = "article"
    language: str = "en"
    section: Term | None = None
    series: Term | None = None
    authors: tuple[Term, ...] = ()
    tags: tuple[Term, ...] = ()
    featured: bool = False
    state: str = "published"
    public: bool = True
    listed_at: datetime = BEGIN
    updated_at: datetime = BEGIN

    @property
    def listed(self) -> bool:
        """Whether lists hold it that do not ask for pages."""
        return self.public and self.type != "page"


def terms(db: Database, kind: str, *slugs: str) -> tuple[Term, ...]:
    """New terms of a kind."""
    made = tuple(Term(new_id(), slug) for slug in slugs)
    common = {"articles": 0, "version": 1, "created_at": BEGIN, "updated_at": BEGIN}
    more: dict[str, Any] = {
        "section": {"description": "", "position": 0},
        "author": {"bio_html": "", "bio_text": ""},
    }.get(kind, {})
    rows = [
        {
            "id": term.id,
            "slug": term.slug,
            "name": term.slug.title(),
            "name_key": collation_key(term.slug),
            **common,
            **more,
        }
        for term in made
    ]
    with db.transaction() as session:
        session.execute(sa.insert(table_of(TERMS[kind])), rows)
        if kind == "section":
            paths = [{"ancestor_id": term.id, "descendant_id": term.id, "depth": 0} for term in made]
            session.execute(sa.insert(CLOSURE), paths)
    return made


def clear(db: Database) -> None:
    """Take every article away."""
    with db.transaction() as session:
        session.execute(sa.delete(table_of(Article)))


def _row(piece: Piece) -> dict[str, Any]:
    return {
        "id": piece.id,
        "slug": piece.slug,
        "state": piece.state,
        "public": piece.public,
        "listed": piece.listed,
        "version": 1,
        "revision": 1,
        "latest_revision": 1,
        "created_at": BEGIN,
        "published_at": piece.listed_at if piece.public else None,
        "updated_at": piece.updated_at,
        "listed_at": piece.listed_at,
        "type": piece.type,
        "language": piece.language,
        "title": piece.title,
        "title_key": collation_key(piece.title),
        "edited_at": piece.updated_at,
        "excerpt": "",
        "section_id": piece.section and piece.section.id,
        "series_id": piece.series and piece.series.id,
        "word_count": 1,
        "reading_minutes": 1,
        "featured": piece.featured,
        "corrections": [],
    }


def _revision(piece: Piece) -> dict[str, Any]:
    same = {name: value for name, value in _row(piece).items() if name in Revision.model_fields}
    text = {"html": f"<p>{piece.slug}</p>", "markdown": piece.slug, "text": piece.slug, "blocks": []}
    authors, tags = [term.id for term in piece.authors], [term.id for term in piece.tags]
    return {**same, **text, "article_id": piece.id, "n": 1, "actor_name": "test", "authors": authors, "tags": tags}


def put(db: Database, pieces: Iterable[Piece]) -> None:
    """Store articles, whatever is known of them already forgotten."""
    found = list(pieces)
    with db.transaction() as session:
        session.execute(sa.delete(table_of(Article)).where(table_of(Article).c.id.in_([p.id for p in found])))
        if found:
            session.execute(sa.insert(table_of(Article)), [_row(piece) for piece in found])
            session.execute(sa.insert(table_of(Revision)), [_revision(piece) for piece in found])
        for model, name in ((ArticleAuthor, "author"), (ArticleTag, "tag")):
            links = [
                {
                    "article_id": piece.id,
                    f"{name}_id": term.id,
                    "position": at,
                    "listed": piece.listed,
                    "listed_at": piece.listed_at,
                }
                for piece in found
                for at, term in enumerate(piece.authors if name == "author" else piece.tags)
            ]
            if links:
                session.execute(sa.insert(table_of(model)), links)


def _names(piece: Piece, kind: str) -> set[str]:
    """Everything by which a filter could mean this piece."""
    if kind in {"type", "language"}:
        return {getattr(piece, kind)}
    if kind in {"tag", "author"}:
        held: tuple[Term | None, ...] = piece.tags if kind == "tag" else piece.authors
    else:
        held = (getattr(piece, kind),)
    return {name for term in held if term for name in (term.id, term.slug)}


def _holds(piece: Piece, name: str, value: str) -> bool:
    if name in {"ids", "exclude"}:
        return bool({piece.id, piece.slug} & set(value.split(","))) == (name == "ids")
    if name == "featured":
        return piece.featured == (value == "true")
    if name == "published_after":
        return piece.listed_at > datetime.fromisoformat(value)
    if name == "published_before":
        return piece.listed_at < datetime.fromisoformat(value)
    if name == "updated_after":
        return piece.updated_at > datetime.fromisoformat(value)
    if name == "state":
        return value == "all" or piece.state in value.split(",")
    wanted = {part.removeprefix("-") for part in value.split(",")}
    return bool(_names(piece, name) & wanted) != value.startswith("-")


def answer(pieces: Iterable[Piece], query: Query) -> list[str]:
    """Slugs of the pieces that a list must hold, in its order."""
    parameters = dict(query)
    sort = parameters.get("sort", "-published_at")
    column = {"published_at": "listed_at"}.get(sort.lstrip("-"), sort.lstrip("-"))
    filters = [pair for pair in query if pair[0] not in {"sort", "limit", "fields", "count"}]
    found = [
        piece
        for piece in pieces
        if (piece.public or "state" in parameters) and all(_holds(piece, name, value) for name, value in filters)
    ]
    found.sort(key=lambda piece: (getattr(piece, column), piece.id), reverse=sort.startswith("-"))
    return [piece.slug for piece in found]


def at(moment: datetime) -> str:
    """A moment as a query names it."""
    return format_rfc3339(moment)

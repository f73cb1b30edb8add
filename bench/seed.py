"""Seeding stores of any size with a synthetic publication by bulk inserts, the same in every run."""

import asyncio
import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

import app.wiring  # noqa: F401  imports all tables
from app.articles.cached_json import rebuild_stale
from app.articles.counters import count_activity
from app.articles.site import Site
from app.articles.tables import META_COLUMNS, TEXT_COLUMNS, Article, ArticleAuthor, ArticleTag, Revision
from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database, open_database
from app.db.columns import table_of
from app.fronts.tables import Front
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.publication.tables import Author, Media, Notice, Section, SectionClosure, Series, Tag
from app.search.indexing import rebuild_batch
from app.text.inputs import reading_minutes
from bench.discussion import seed_discussion

FIRST, YEARS = datetime(2014, 1, 1, tzinfo=UTC), 10
SECTIONS, SERIES, AUTHORS, TAGS, PICTURES, BODIES = 12, 40, 400, 3000, 300, 250
CHUNK = 4000
FRONT_ID = "00000000-0000-0000-0000-000000000000"
WORDS = (
    "the a of to and in on by for with council river harbour budget school mayor report question answer winter street "
    "market season reader letter plan bridge minister paper morning evening vote region measure number night village "
    "hospital teacher worker player coach record energy price rent housing forest coast island railway station court "
    "judge witness study doctor machine garden theatre novel film music public private early later nearly again still "
    "asks says finds builds opens closes begins returns grows falls keeps loses moves learns writes shows remains"
).split()


class Store(NamedTuple):
    """A seeded store."""

    dialect: str
    url: str
    articles: int
    key: str


class _Terms(NamedTuple):
    """Ids to choose from, with cumulative weights."""

    ids: list[str]
    weights: list[float]

    def some(self, rng: random.Random, most: int) -> list[str]:
        """Choose up to `most` different ids."""
        return list(dict.fromkeys(rng.choices(self.ids, cum_weights=self.weights, k=most)))

    def one(self, rng: random.Random) -> str:
        return rng.choices(self.ids, cum_weights=self.weights)[0]


def _id(rng: random.Random, moment: datetime) -> str:
    """Return a UUIDv7 of a time."""
    stamp = int(moment.timestamp() * 1000) << 80
    return str(uuid.UUID(int=stamp | rng.getrandbits(80) & ~(0xF << 76 | 0x3 << 62) | 7 << 76 | 2 << 62))


def _sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words)).capitalize()


def _insert(connection: sa.Connection, model: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table_of(model)), rows)


def _terms(connection: sa.Connection, rng: random.Random, model: type[SQLModel], number: int, **more: Any) -> _Terms:
    """Insert terms whose popularity follows Zipf's law; `more` are the columns of this kind."""
    kind = table_of(model).name
    common = {"articles": 0, "version": 1, "created_at": FIRST, "updated_at": FIRST, **more}
    names = [f"{_sentence(rng, 2)} {n}" for n in range(number)]
    rows = [{**common, "id": _id(rng, FIRST), "slug": f"{kind}-{n}", "name": name} for n, name in enumerate(names)]
    _insert(connection, model, rows)
    return _Terms([row["id"] for row in rows], list(accumulate(1 / (n + 1) for n in range(number))))


def _pictures(connection: sa.Connection, rng: random.Random) -> _Terms:
    rows: list[dict[str, Any]] = []
    for n in range(PICTURES):
        sizes = [(f"w{width}", width, width * 2 // 3) for width in (320, 640, 1280)]
        copies = [
            {"name": name, "width": width, "height": height, "mime": "image/webp", "key": f"{n:03}/{name}.webp"}
            for name, width, height in sizes
        ]
        row: dict[str, Any] = {
            "id": _id(rng, FIRST),
            "state": "stored",
            "mime": "image/jpeg",
            "width": 1920,
            "height": 1280,
        }
        row |= {"bytes": 300_000, "sha256": f"{rng.getrandbits(256):064x}", "key": f"{n:03}/original.jpg", "url": None}
        row |= {"alt": _sentence(rng, 8), "caption": _sentence(rng, 14), "credit": _sentence(rng, 2)}
        rows.append({**row, "renditions": copies, "version": 1, "created_at": FIRST, "updated_at": FIRST})
    _insert(connection, Media, rows)
    return _Terms([row["id"] for row in rows], list(range(1, PICTURES + 1)))


def _notices(connection: sa.Connection, rng: random.Random, section: str) -> None:
    rows: list[dict[str, Any]] = []
    for scope, target, placement in (("site", None, "after"), ("section", section, "both")):
        text = _sentence(rng, 30) + "."
        row: dict[str, Any] = {
            "id": _id(rng, FIRST),
            "scope": scope,
            "target_id": target,
            "placement": placement,
            "position": 0,
        }
        row |= {"html": f"<p>{text}</p>", "text": text, "version": 1, "created_at": FIRST, "updated_at": FIRST}
        rows.append(row)
    _insert(connection, Notice, rows)


def _build_block(rng: random.Random, n: int) -> tuple[dict[str, Any], str, str]:
    """Return a block, its HTML and its Markdown."""
    block: dict[str, Any] = {"id": f"b{rng.getrandbits(28):07x}", "type": "paragraph"}
    if n % 5 == 4:
        text = _sentence(rng, 5)
        return {**block, "type": "heading", "text": text, "marks": [], "level": 2}, f"<h2>{text}</h2>", f"## {text}"
    text = ". ".join(_sentence(rng, rng.randint(8, 22)) for _ in range(4)) + "."
    if n % 5 == 2:
        quote = {**block, "type": "quote", "text": text, "marks": [], "cite": None}
        return quote, f"<blockquote><p>{text}</p></blockquote>", f"> {text}"
    word, rest = text.split(" ", 1)
    href = f"https://elsewhere.example/{rng.getrandbits(32):x}"
    mark = {"type": "link", "start": 0, "end": len(word), "href": href, "title": None}
    html = f'<p><a href="{href}">{word}</a> {rest}</p>'
    return {**block, "text": text, "marks": [mark]}, html, f"[{word}]({href}) {rest}"


def build_body(rng: random.Random, blocks: int) -> dict[str, Any]:
    """Return a body as a revision stores it; a block has about 400 characters."""
    parts = [_build_block(rng, n) for n in range(blocks)]
    text = "\n\n".join(block["text"] for block, _, _ in parts)
    words = len(text.split())
    return {
        "html": "\n".join(html for _, html, _ in parts),
        "markdown": "\n\n".join(markdown for _, _, markdown in parts),
        "text": text,
        "blocks": [block for block, _, _ in parts],
        "excerpt": text[:279] + "…",
        "word_count": words,
        "reading_minutes": reading_minutes(words),
    }


class _Writer:
    """Generates articles in the order of time."""

    def __init__(self, connection: sa.Connection, rng: random.Random, articles: int) -> None:
        self.rng, self.step = rng, timedelta(days=365 * YEARS) / articles
        self.sections = _terms(connection, rng, Section, SECTIONS, description="", parent_id=None, position=0)
        paths = [{"ancestor_id": one, "descendant_id": one, "depth": 0} for one in self.sections.ids]
        _insert(connection, SectionClosure, paths)
        self.series = _terms(connection, rng, Series, SERIES, description="")
        person = {"bio_html": "", "bio_text": "", "url": None, "image_id": None}
        self.authors = _terms(connection, rng, Author, AUTHORS, **person)
        self.tags = _terms(connection, rng, Tag, TAGS, description="")
        self.pictures = _pictures(connection, rng)
        _notices(connection, rng, self.sections.ids[1])
        self.bodies = [build_body(rng, rng.randint(8, 14)) for _ in range(BODIES)]

    def revision(self, article_id: str, moment: datetime) -> dict[str, Any]:
        """Return the row of a revision."""
        rng = self.rng
        row = {"article_id": article_id, "n": 1, "created_at": moment, "actor_id": None, "actor_name": "bench"}
        row |= {"restored_from": None, "title": _sentence(rng, rng.randint(5, 11)), "dek": _sentence(rng, 18)}
        row |= {"type": rng.choice(["article"] * 7 + ["opinion"]), "language": "en"}
        row |= {"section_id": self.sections.one(rng), "series_id": self.series.one(rng) if rng.random() < 0.1 else None}
        row |= {"image_id": self.pictures.one(rng) if rng.random() < 0.6 else None}
        row |= {"authors": self.authors.some(rng, rng.randint(1, 2)), "tags": self.tags.some(rng, rng.randint(2, 6))}
        return {**row, **rng.choice(self.bodies)}

    def article(self, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an article and its only revision; three percent are drafts."""
        moment = FIRST + self.step * (n + self.rng.random())
        revision = self.revision(_id(self.rng, moment), moment)
        public = self.rng.random() >= 0.03
        row = {name: revision[name] for name in (*META_COLUMNS, *TEXT_COLUMNS) if name in table_of(Article).c}
        row |= {"id": revision["article_id"], "slug": f"{revision['title'].lower().replace(' ', '-')}-{n}"}
        row |= {
            "state": "published" if public else "draft",
            "public": public,
            "listed": public and row["type"] != "page",
            "version": 1,
            "revision": 1,
        }
        row |= {"latest_revision": 1, "published_revision": 1 if public else None, "created_at": moment}
        row |= {"published_at": moment if public else None, "updated_at": moment, "listed_at": moment}
        row |= {
            "featured": self.rng.random() < 0.01,
            "corrections": [],
            "retraction": None,
            "card": None,
            "card_stamp": 0,
        }
        nothing = ("scheduled_at", "due_at", "usage_terms", "copyright_holder", "embargoed_until", "expires_at")
        return {**row, **dict.fromkeys(nothing)}, revision


def _build_links(article: dict[str, Any], column: str, ids: list[str]) -> Iterator[dict[str, Any]]:
    same = {"article_id": article["id"], "listed": article["listed"], "listed_at": article["listed_at"]}
    for position, term in enumerate(ids):
        yield {**same, column: term, "position": position}


def _articles(connection: sa.Connection, articles: int) -> None:
    writer = _Writer(connection, random.Random(articles), articles)
    for start in range(0, articles, CHUNK):
        made = [writer.article(n) for n in range(start, min(start + CHUNK, articles))]
        _insert(connection, Article, [row for row, _ in made])
        _insert(connection, Revision, [revision for _, revision in made])
        authors = [link for row, text in made for link in _build_links(row, "author_id", text["authors"])]
        tags = [link for row, text in made for link in _build_links(row, "tag_id", text["tags"])]
        _insert(connection, ArticleAuthor, authors)
        _insert(connection, ArticleTag, tags)


def _update_counts(connection: sa.Connection) -> None:
    """Update the article counts of terms."""
    article = table_of(Article)
    for model, column in (
        (Section, article.c.section_id),
        (Series, article.c.series_id),
        (Author, table_of(ArticleAuthor).c.author_id),
        (Tag, table_of(ArticleTag).c.tag_id),
    ):
        terms = table_of(model)
        public = sa.select(sa.func.count()).where(column == terms.c.id, column.table.c.listed)
        connection.execute(sa.update(terms).values(articles=public.scalar_subquery()))


def open_bulk_connection(connection: sa.Connection) -> None:
    """Open a fast connection that may lose data in a crash."""
    if connection.dialect.name == "sqlite":
        raw: Any = connection.connection.dbapi_connection
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("PRAGMA synchronous=OFF")
        return
    with connection.begin():
        for setting in ("session_replication_role=replica", "synchronous_commit=off", "statement_timeout=0"):
            connection.exec_driver_sql(f"SET {setting}")


def _build_cached_json(connection: sa.Connection) -> None:
    """Build the cached JSON of articles as the worker does."""
    site, made = Site.from_settings(Settings(_env_file=None)), 1
    while made:
        with connection.begin(), Session(connection) as session:
            made = rebuild_stale(session, site)


def _index_articles(db: Database) -> None:
    """Add the search index, a discussion and a front."""
    after: str | None = FRONT_ID
    while after is not None:
        with db.transaction() as session:
            done = rebuild_batch(session, after)
        after = done[0] if done else None
    article, blocks = table_of(Article), []
    with db.transaction() as session:
        newest = (
            sa.select(article.c.id, article.c.section_id).where(article.c.public).order_by(article.c.listed_at.desc())
        )
        rows = session.execute(newest.limit(500)).all()
        for n, row in enumerate(rows):
            count_activity(session, row.id, now(), comments=n % 50 + 1)
        only = [{}, {"section": rows[0].section_id}, {}]
        for kind, where in zip(("newest", "newest", "discussed"), only, strict=True):
            days = 7 if kind == "discussed" else None
            blocks.append({"kind": kind, "title": None, "limit": 8, "articles": None, "days": days, "only": where})
        blocks.append({**blocks[1], "limit": 8, "only": {"type": "opinion"}})
        pins = [row.id for row in rows[100:108]]
        blocks.insert(0, {**blocks[0], "kind": "pinned", "limit": None, "articles": pins})
        moment = now()
        front = {"title": "Front", "blocks": blocks, "at": format_rfc3339(moment)}
        session.add(Front(id=FRONT_ID, slug="home", published=front, draft=None, created_at=moment, updated_at=moment))


def update_statistics(db: Database) -> None:
    """Update the planner's statistics."""
    with db.connect() as connection:
        if db.dialect == "sqlite":
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            connection.exec_driver_sql("SET statement_timeout=0")
            connection.exec_driver_sql("VACUUM ANALYZE")
            connection.exec_driver_sql("CHECKPOINT")


def seed_store(url: str, articles: int) -> Store:
    """Create missing tables and fill an empty store."""
    db = open_database(url)
    writes = db.engines()[1]
    SQLModel.metadata.create_all(writes)
    with writes.connect() as connection:
        open_bulk_connection(connection)
        with connection.begin():
            _articles(connection, articles)
            _update_counts(connection)
            rng = random.Random(articles)
            seed_discussion(
                connection, [". ".join(_sentence(rng, rng.randint(4, 25)) for _ in range(3)) for _ in range(500)]
            )
        _build_cached_json(connection)
    writes.dispose()  # so that the fast connection is not used again
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "bench", ["content:read", "content:write"])[1]
    _index_articles(db)
    update_statistics(db)
    asyncio.run(db.stop())
    return Store(db.dialect, url, articles, key)


def build_draft(rng: random.Random, slug: str) -> bytes:
    """Return a new article with a body of 13 KB, as an editor sends it."""
    html = build_body(rng, 60)["html"]
    cut = html.rfind("\n", 0, 13_000)
    return json.dumps({"title": _sentence(rng, 8), "slug": slug, "body": {"html": html[:cut]}}).encode()

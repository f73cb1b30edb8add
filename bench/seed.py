"""Seeding stores of any size with a synthetic publication by bulk inserts, the same in every run.

A batch of up to 250 articles is written row by row, and the application builds its cached JSON, search index and
related links. Larger stores hold copies of the batch in earlier times, see `bench.copies`.
"""

import asyncio
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from app import wiring
from app.articles.cached_json import rebuild_stale
from app.articles.counters import count_activity
from app.articles.tables import META_COLUMNS, TEXT_COLUMNS, Article, ArticleAuthor, ArticleTag, Revision
from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database, migrations, open_database
from app.db.columns import table_of
from app.events.catalog import RelatedChanged
from app.events.log import find_settled_position
from app.events.tables import Event, LogCursor
from app.fronts.tables import Front
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.publication.site import Site
from app.publication.tables import Author, Media, Notice, Section, SectionClosure, Series, Tag
from app.related.rebuilding import advance_rebuild, begin_rebuild
from app.search.indexing import rebuild_batch
from app.text.collation import collation_key
from app.text.confusables import skeleton
from app.text.inputs import reading_minutes
from bench import copies
from bench.copies import NEWEST_SLICE, PREFIX, SLICE, begin_of
from bench.discussion import Discussed, seed_discussions
from bench.log import seed_events

BATCH = 250  # articles
FIRST = datetime(1980, 1, 1, tzinfo=UTC)  # of sections, tags, authors and pictures
SECTIONS, SERIES, AUTHORS, TAGS, PICTURES = 12, 40, 400, 3000, 300
TOPICS, TOPIC_WORDS, RARE_WORDS = 25, 25, 3000  # topics have words of their own, by which articles are related
OWN_TAGS, OWN_TAG_ARTICLES = 1, 25  # tags that no other batch has
FRONT_ID = "00000000-0000-0000-0000-000000000000"
WORDS = (
    "the a of to and in on by for with council river harbour budget school mayor report question answer winter street "
    "market season reader letter plan bridge minister paper morning evening vote region measure number night village "
    "hospital teacher worker player coach record energy price rent housing forest coast island railway station court "
    "judge witness study doctor machine garden theatre novel film music public private early later nearly again still "
    "asks says finds builds opens closes begins returns grows falls keeps loses moves learns writes shows remains"
).split()


SEED_VERSION = 2  # raised by changes of what is seeded, so that no store of a former version is measured


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


def _sentence(rng: random.Random, words: int, vocabulary: Sequence[str] = WORDS) -> str:
    return " ".join(rng.choices(vocabulary, k=words)).capitalize()


def _invent_words(rng: random.Random, number: int) -> list[str]:
    """Invent words of three syllables."""
    return ["".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3)) for _ in range(number)]


def _insert(connection: sa.Connection, model: type[SQLModel], rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table_of(model)), rows)


def _terms(connection: sa.Connection, rng: random.Random, model: type[SQLModel], number: int, **more: Any) -> _Terms:
    """Insert terms whose popularity follows Zipf's law; `more` are the columns of this kind."""
    kind = table_of(model).name
    common = {"articles": 0, "shown": 0, "version": 1, "created_at": FIRST, "updated_at": FIRST, **more}
    names = [f"{_sentence(rng, 2)} {n}" for n in range(number)]
    rows = [
        {**common, "id": _id(rng, FIRST), "slug": f"{kind}-{n}", "name": name, "name_key": collation_key(name)}
        for n, name in enumerate(names)
    ]
    if model is Author:
        rows = [{**row, "skeleton": skeleton(row["name"])} for row in rows]
    if model is Section:  # all at the root of the tree
        rows = [{**row, "path": row["slug"]} for row in rows]
    _insert(connection, model, rows)
    return _Terms([row["id"] for row in rows], list(accumulate(1 / (n + 1) for n in range(number))))


def _pictures(connection: sa.Connection, rng: random.Random) -> _Terms:
    rows: list[dict[str, Any]] = []
    for n in range(PICTURES):
        sizes = [
            {"name": f"w{w}", "width": w, "height": w * 2 // 3, "mime": "image/webp", "key": f"{n:03}/w{w}.webp"}
            for w in (320, 640, 1280)
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
        rows.append({**row, "renditions": sizes, "version": 1, "shown": 0, "created_at": FIRST, "updated_at": FIRST})
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


def _own_tags(connection: sa.Connection, rng: random.Random) -> list[str]:
    """Insert tags that only this batch has; return their ids."""
    rows = []
    for n in range(OWN_TAGS):
        name = f"local-{PREFIX}-{n}"
        row = {"id": _id(rng, begin_of(NEWEST_SLICE)), "slug": name, "name": name, "name_key": collation_key(name)}
        row |= {"description": "", "articles": 0, "shown": 0, "version": 1, "created_at": FIRST, "updated_at": FIRST}
        rows.append(row)
    _insert(connection, Tag, rows)
    return [row["id"] for row in rows]


def _build_block(rng: random.Random, n: int, vocabulary: Sequence[str]) -> tuple[dict[str, Any], str, str]:
    """Return a block, its HTML and its Markdown."""
    block: dict[str, Any] = {"id": f"b{rng.getrandbits(28):07x}", "type": "paragraph"}
    if n % 5 == 4:
        text = _sentence(rng, 5, vocabulary)
        return {**block, "type": "heading", "text": text, "marks": [], "level": 2}, f"<h2>{text}</h2>", f"## {text}"
    text = ". ".join(_sentence(rng, rng.randint(8, 14), vocabulary) for _ in range(2)) + "."
    if n % 5 == 2:
        quote = {**block, "type": "quote", "text": text, "marks": [], "cite": None}
        return quote, f"<blockquote><p>{text}</p></blockquote>", f"> {text}"
    word, rest = text.split(" ", 1)
    href = f"https://elsewhere.example/{rng.getrandbits(32):x}"
    mark = {"type": "link", "start": 0, "end": len(word), "href": href, "title": None}
    html = f'<p><a href="{href}" rel="noopener">{word}</a> {rest}</p>'
    return {**block, "text": text, "marks": [mark]}, html, f"[{word}]({href}) {rest}"


def build_body(rng: random.Random, blocks: int, vocabulary: Sequence[str] = WORDS) -> dict[str, Any]:
    """Return a body as a revision stores it; a block has about 150 characters."""
    parts = [_build_block(rng, n, vocabulary) for n in range(blocks)]
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
    """Generates the articles of a batch in the order of time."""

    def __init__(self, connection: sa.Connection, rng: random.Random, articles: int) -> None:
        self.rng, self.articles = rng, articles
        self.sections = _terms(connection, rng, Section, SECTIONS, description="", parent_id=None, position=0)
        paths = [{"ancestor_id": one, "descendant_id": one, "depth": 0} for one in self.sections.ids]
        _insert(connection, SectionClosure, paths)
        self.series = _terms(connection, rng, Series, SERIES, description="")
        person = {"bio_html": "", "bio_text": "", "url": None, "image_id": None}
        self.authors = _terms(connection, rng, Author, AUTHORS, **person)
        self.tags = _terms(connection, rng, Tag, TAGS, description="")
        self.own_tags = _own_tags(connection, rng)
        self.pictures = _pictures(connection, rng)
        _notices(connection, rng, self.sections.ids[1])
        self.rare = _invent_words(rng, RARE_WORDS)
        self.topics = [_invent_words(rng, TOPIC_WORDS) for _ in range(TOPICS)]

    def revision(self, n: int, article_id: str, moment: datetime) -> dict[str, Any]:
        """Return the row of a revision."""
        rng = self.rng
        vocabulary = [*WORDS, *rng.choice(self.topics) * 3, *rng.sample(self.rare, 60)]
        row = {"article_id": article_id, "n": 1, "created_at": moment, "actor_id": None, "actor_name": "bench"}
        row |= {"title": _sentence(rng, rng.randint(5, 11), vocabulary), "dek": _sentence(rng, 18, vocabulary)}
        row |= {"type": rng.choice(["article"] * 7 + ["opinion"]), "language": "en", "restored_from": None}
        row |= {"section_id": self.sections.one(rng), "series_id": self.series.one(rng) if rng.random() < 0.1 else None}
        row |= {"image_id": self.pictures.one(rng) if rng.random() < 0.6 else None}
        tags = self.tags.some(rng, rng.randint(2, 6))
        if n % (step := max(1, self.articles // (OWN_TAGS * OWN_TAG_ARTICLES))) == 0:
            tags.append(self.own_tags[n // step % OWN_TAGS])
        row |= {"authors": self.authors.some(rng, rng.randint(1, 2)), "tags": tags}
        return {**row, **build_body(rng, min(2 + int(rng.paretovariate(1.2)), 30), vocabulary)}

    def article(self, n: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an article and its only revision; three percent are drafts."""
        milliseconds = int(SLICE * 1000 * (n + self.rng.random()) / self.articles)
        moment = begin_of(NEWEST_SLICE) + timedelta(milliseconds=milliseconds)
        revision = self.revision(n, _id(self.rng, moment), moment)
        public = self.rng.random() >= 0.03
        revision["published_at"] = moment if public else None
        row = {name: revision[name] for name in (*META_COLUMNS, *TEXT_COLUMNS) if name in table_of(Article).c}
        row |= {"id": revision["article_id"], "title_key": collation_key(row["title"])}
        row |= {"slug": f"{row['title'].lower().replace(' ', '-')}-{PREFIX}-{n}"}
        row |= {"state": "published" if public else "draft", "public": public, "listed": public, "version": 1}
        row |= {"revision": 1, "latest_revision": 1, "published_revision": 1 if public else None}
        row |= {"published_at": moment if public else None, "featured": self.rng.random() < 0.01}
        row |= dict.fromkeys(("created_at", "updated_at", "listed_at", "edited_at"), moment)
        row |= {"corrections": [], "card": None, "card_stamp": 0}
        return row, revision


def _build_links(article: dict[str, Any], column: str, ids: list[str]) -> Iterator[dict[str, Any]]:
    same = {"article_id": article["id"], "listed": article["listed"], "listed_at": article["listed_at"]}
    for position, term in enumerate(ids):
        yield {**same, column: term, "position": position}


def _insert_batch(connection: sa.Connection, articles: int) -> None:
    """Insert articles, their discussions and their events."""
    rng = random.Random(articles)
    writer = _Writer(connection, rng, articles)
    rows, revisions = zip(*(writer.article(n) for n in range(articles)), strict=True)
    _insert(connection, Article, list(rows))
    _insert(connection, Revision, list(revisions))
    for model, column, name in ((ArticleAuthor, "author_id", "authors"), (ArticleTag, "tag_id", "tags")):
        pairs = zip(rows, revisions, strict=True)
        _insert(connection, model, [link for row, text in pairs for link in _build_links(row, column, text[name])])
    _update_counts(connection)
    texts = [_sentence(rng, min(4 + int(rng.paretovariate(1)), 200)) + "." for _ in range(500)]
    public = [Discussed(row["id"], row["published_at"]) for row in rows if row["public"]]
    comments = seed_discussions(connection, public, texts)
    seed_events(connection, zip(rows, revisions, strict=True), comments)


def _update_counts(connection: sa.Connection) -> None:
    """Update the article counts of terms and pictures."""
    article = table_of(Article)
    for model, column in (
        (Section, article.c.section_id),
        (Series, article.c.series_id),
        (Author, table_of(ArticleAuthor).c.author_id),
        (Tag, table_of(ArticleTag).c.tag_id),
        (Media, article.c.image_id),
    ):
        terms = table_of(model)
        listed = sa.select(sa.func.count()).where(column == terms.c.id, column.table.c.listed).scalar_subquery()
        names = ("shown",) if model is Media else ("articles", "shown")
        connection.execute(sa.update(terms).values(dict.fromkeys(names, listed)))


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


def _build_indexes(db: Database) -> None:
    """Build the search index and the related links as the application does."""
    after: str | None = FRONT_ID
    while after is not None:
        with db.transaction() as session:
            done = rebuild_batch(session, after)
        after = done[0] if done else None
    with db.transaction() as session:
        begin_rebuild(session)
        while advance_rebuild(session).step:
            pass
        session.execute(sa.delete(table_of(Event)).where(table_of(Event).c.type == RelatedChanged.name))


def _add_front(db: Database) -> None:
    """Count activity, add a front, and move all consumers to the end of the log."""
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
        end = find_settled_position(session.connection())
        for reader in wiring.consumers(Settings(_env_file=None)):
            session.add(LogCursor(reader=reader, xid=end.xid, seq=end.seq))


def update_statistics(db: Database) -> None:
    """Update the planner's statistics."""
    with db.connect() as connection:
        if db.dialect == "sqlite":
            connection.exec_driver_sql("PRAGMA analysis_limit=1000")  # as the server does at its start
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            connection.exec_driver_sql("SET statement_timeout=0")
            connection.exec_driver_sql("VACUUM ANALYZE")
            connection.exec_driver_sql("CHECKPOINT")


def seed_store(url: str, articles: int, batch: int = BATCH) -> Store:
    """Create missing tables and fill an empty store with a multiple of a batch, or with less than one."""
    batch = min(articles, batch)
    if articles % batch:
        raise ValueError(f"{articles:,} articles are not a multiple of {batch:,}")
    migrations.upgrade(url)
    db = open_database(url)
    writes = db.engines()[1]
    with writes.connect() as connection:
        open_bulk_connection(connection)
        with connection.begin():
            _insert_batch(connection, batch)
        _build_cached_json(connection)
    writes.dispose()  # so that the fast connection is not used again
    _build_indexes(db)
    if articles > batch:
        copies.copy_batch(db, articles // batch, open_bulk_connection)
    with db.transaction() as session:
        key = keys.create_api_key(session, SYSTEM, "bench", ["content:read", "content:write"])[1]
    _add_front(db)
    update_statistics(db)
    asyncio.run(db.stop())
    return Store(db.dialect, url, articles, key)


def empty_store(url: str) -> None:
    """Delete all tables of a store, if it has any."""
    place = sa.make_url(url)
    if place.get_backend_name() == "sqlite":
        for end in ("", "-wal", "-shm"):
            Path(f"{place.database}{end}").unlink(missing_ok=True)
        return
    db = open_database(url)
    with db.engines()[1].begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    asyncio.run(db.stop())


def build_draft(rng: random.Random, slug: str) -> bytes:
    """Return a new article with a body of 13 KB, as an editor sends it."""
    html = build_body(rng, 60)["html"]
    cut = html.rfind("\n", 0, 13_000)
    return json.dumps({"title": _sentence(rng, 8), "slug": slug, "body": {"html": html[:cut]}}).encode()

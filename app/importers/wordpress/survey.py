"""What the items of a file refer to, gathered in one pass into a temporary file: anything may stand after its use."""

from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from app.importers.streams import Progress
from app.importers.wordpress.reader import read
from app.importers.wordpress.records import Author, Category, Item, Record, Site, Tag, Term
from app.importers.wordpress.shortcodes import Attachment, Library
from app.kit.db.driver import sqlite

ARTICLES: Final = {"post": "article", "page": "page"}
"""The post types that become articles, with the type that these have here."""
ABSENT: Final = frozenset({"trash", "auto-draft", "inherit"})
"""Statuses of items that nobody is meant to find."""
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".svg", ".bmp", ".tif", ".tiff", ".heic")
_DEEPEST = 100

# `place` is the order of the file. An empty path is SQLite's private file, which goes when it is closed.
_TABLES = """
CREATE TABLE author (login TEXT PRIMARY KEY, number INTEGER, name TEXT, wrote INTEGER);
CREATE TABLE category (
    slug TEXT PRIMARY KEY, number INTEGER, name TEXT, parent TEXT, description TEXT, place INTEGER
);
CREATE INDEX category_parent ON category (parent);
CREATE INDEX category_number ON category (number);
CREATE TABLE tag (slug TEXT PRIMARY KEY, name TEXT, description TEXT, folded TEXT);
CREATE INDEX tag_folded ON tag (folded);
CREATE TABLE article (key TEXT PRIMARY KEY, place INTEGER, slug TEXT, hidden INTEGER);
CREATE INDEX article_slug ON article (slug, hidden, place);
CREATE TABLE attachment (
    number INTEGER PRIMARY KEY, parent INTEGER, position INTEGER, url TEXT, alt TEXT, caption TEXT, title TEXT,
    described INTEGER
);
CREATE INDEX attachment_parent ON attachment (parent, position, number);
CREATE TABLE block (number INTEGER PRIMARY KEY, content TEXT);
CREATE TABLE given (slug TEXT PRIMARY KEY, key TEXT);
CREATE TABLE counted (base TEXT PRIMARY KEY, n INTEGER);
"""
_TREE = """
WITH RECURSIVE tree (slug, depth) AS (
    SELECT slug, 0 FROM category WHERE parent NOT IN (SELECT slug FROM category)
    UNION ALL SELECT category.slug, depth + 1 FROM category JOIN tree ON category.parent = tree.slug
)
SELECT number, slug, name, parent, description FROM category LEFT JOIN tree USING (slug)
ORDER BY depth IS NULL, depth, place
"""


class ListedAuthor(NamedTuple):
    """A user; `number` is 0 when the file does not say, `wrote` says that a post or page names them."""

    number: int
    login: str
    name: str
    wrote: bool


class ListedFile(NamedTuple):
    """An attachment; `caption` is HTML, `described` says that it has a longer text that goes with no article."""

    number: int
    url: str
    alt: str
    caption: str
    title: str
    described: bool


def is_default(category: Category) -> bool:
    """Whether it is the category that WordPress gives to what has none."""
    return category.slug == "uncategorized" and category.name.casefold() == "uncategorized"


def path_of(url: str) -> str:
    """The decoded path of an address without the slash at its end; empty if a query is what tells it from others."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return "" if parts.query else unquote(parts.path).rstrip("/")


def is_picture(url: str) -> bool:
    """Whether an address looks like that of a picture; exports do not say what a file is."""
    return path_of(url.partition("?")[0]).lower().endswith(_PICTURES)


def key_of(item: Item) -> str:
    """What tells an item from all others of its site in every export; empty if nothing does."""
    return str(item.post_id or "") or item.guid or item.link or (item.slug and f"{item.type}:{item.slug}")


def _tag(tag: Tag | Term) -> tuple[str, ...]:
    return tag.slug, tag.name, tag.description, " ".join(tag.name.split()).casefold()


def _category(category: Category | Term) -> tuple[object, ...]:
    return category.slug, category.id, category.name, category.parent, category.description


class Survey:
    """Looks things up for the import; also keeps account of the slugs that it gives."""

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self.site: Site
        self._store = sqlite.connect("", isolation_level=None)
        self._store.executescript(_TABLES)
        self._store.execute("BEGIN")
        for place, record in enumerate(read(path, progress)):
            self._take(place, record)
        self._store.execute("COMMIT")

    def close(self) -> None:
        """Remove the temporary file."""
        self._store.close()

    def _one(self, query: str, *values: object) -> tuple[object, ...] | None:
        row: tuple[object, ...] | None = self._store.execute(query, values).fetchone()
        return row

    def _take(self, place: int, record: Record) -> None:
        run = self._store.execute
        if isinstance(record, Site):
            self.site = record
        elif isinstance(record, Author):
            name = record.display_name or f"{record.first_name} {record.last_name}".strip() or record.login
            row = (record.login, record.id, name)
            run("INSERT INTO author VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET (number, name) = (?2, ?3)", row)
        elif isinstance(record, Category):
            run("INSERT OR REPLACE INTO category VALUES (?, ?, ?, ?, ?, ?)", (*_category(record), place))
        elif isinstance(record, Tag):
            run("INSERT OR REPLACE INTO tag VALUES (?, ?, ?, ?)", _tag(record))
        elif isinstance(record, Term) and record.taxonomy == "category":
            run("INSERT OR IGNORE INTO category VALUES (?, ?, ?, ?, ?, ?)", (*_category(record), place))
        elif isinstance(record, Term) and record.taxonomy == "post_tag":
            run("INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?)", _tag(record))
        elif isinstance(record, Item):
            self._take_item(place, record)

    def _take_item(self, place: int, item: Item) -> None:
        run = self._store.execute
        if item.type in ARTICLES:
            row = (key_of(item), place, item.slug.lower(), not item.is_public)
            run("INSERT OR IGNORE INTO article VALUES (?, ?, ?, ?)", row)
            if item.status not in ABSENT:
                self._take_names(place, item)
        elif item.type == "attachment" and item.status not in ABSENT - {"inherit"}:
            place_there = (item.post_id, item.parent_id, item.menu_order)
            said = (unescape(item.alt_text), item.excerpt, item.title or item.slug, bool(item.content.strip()))
            values = (*place_there, item.attachment_url, *said)
            run("INSERT OR IGNORE INTO attachment VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        elif item.type == "wp_block" and item.is_public:
            run("INSERT OR IGNORE INTO block VALUES (?, ?)", (item.post_id, item.content))

    def _take_names(self, place: int, item: Item) -> None:
        """Take what older exports do not list by itself."""
        run = self._store.execute
        if item.creator:
            run("INSERT INTO author VALUES (?1, 0, ?1, 1) ON CONFLICT DO UPDATE SET wrote = 1", (item.creator,))
        for label in item.labels("category"):
            run("INSERT OR IGNORE INTO category VALUES (?, 0, ?, '', '', ?)", (label.slug, label.name, place))
        for label in item.labels("post_tag"):
            run("INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?)", _tag(Tag(0, label.slug, label.name, "")))

    def authors(self) -> Iterator[ListedAuthor]:
        """All users."""
        rows = self._store.execute("SELECT number, login, name, wrote FROM author ORDER BY login")
        return (ListedAuthor(*row) for row in rows)

    def categories(self) -> Iterator[Category]:
        """All categories, parents first; one whose parents lead back to itself has none."""
        done: set[str] = set()
        for number, slug, name, parent, description in self._store.execute(_TREE):
            done.add(slug)
            yield Category(number, slug, name, parent if parent in done and parent != slug else "", description)

    def tags(self) -> Iterator[Tag]:
        """All tags."""
        rows = self._store.execute("SELECT slug, name, description FROM tag ORDER BY slug")
        return (Tag(0, *row) for row in rows)

    def login(self, number: int) -> str | None:
        """The login of the user with a number, or None."""
        row = self._one("SELECT login FROM author WHERE number = ?", number) if number else None
        return str(row[0]) if row else None

    def tag_like(self, slug: str, name: str) -> str | None:
        """The slug of the tag that says the same as a category: of its slug, or of its name in any letter case."""
        query = "SELECT slug FROM tag WHERE slug = ?1 OR folded = ?2 ORDER BY slug = ?1 DESC, slug LIMIT 1"
        row = self._one(query, slug, " ".join(name.split()).casefold())
        return str(row[0]) if row else None

    def pictures(self) -> Iterator[ListedFile]:
        """All attachments that are pictures."""
        rows = self._store.execute("SELECT number, url, alt, caption, title, described FROM attachment ORDER BY number")
        return (found for row in rows if is_picture((found := ListedFile(*row)).url))

    def depth(self, slug: str) -> int:
        """How many categories stand above one."""
        above: list[str] = []
        while len(above) < _DEEPEST and slug not in above:
            above.append(slug)
            row = self._one("SELECT parent FROM category WHERE slug = ?", slug)
            slug = str(row[0]) if row else ""
        return len(above) - 1

    def category(self, number: int) -> str | None:
        """The slug of the category with a number, or None."""
        row = self._one("SELECT slug FROM category WHERE number = ?", number) if number else None
        return str(row[0]) if row else None

    def is_first(self, place: int, item: Item) -> bool:
        """Whether no item before it has the same id."""
        return self._one("SELECT place FROM article WHERE key = ?", key_of(item)) == (place,)

    def owner(self, slug: str) -> str | None:
        """The key of the item that a slug belongs to: the first of the public ones, else the first."""
        row = self._one("SELECT key FROM article WHERE slug = ? ORDER BY hidden, place LIMIT 1", slug)
        return str(row[0]) if row else None

    def is_given(self, slug: str, key: str) -> bool:
        """Whether this import has given a slug to another item."""
        row = self._one("SELECT key FROM given WHERE slug = ?", slug)
        return row is not None and row[0] != key

    def give(self, slug: str, key: str) -> None:
        """Note that an item has this slug now."""
        self._store.execute("INSERT OR REPLACE INTO given VALUES (?, ?)", (slug, key))

    def variants(self, base: str) -> Iterator[str]:
        """`base`, `base-2`, `base-3`, …, going on where the last look at this base ended."""
        while True:
            row = self._one("INSERT INTO counted VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n", base)
            assert row is not None
            yield base if row[0] == 1 else f"{base}-{row[0]}"

    def attachment(self, number: int) -> Attachment | None:
        """An uploaded file, with its caption as HTML."""
        row = self._one("SELECT url, alt, caption FROM attachment WHERE number = ?", number)
        return Attachment(*map(str, row)) if row else None

    def _attached(self, parent: int) -> Sequence[int]:
        rows = self._store.execute(
            "SELECT number, url FROM attachment WHERE parent = ? ORDER BY position, number", (parent,)
        )
        return [number for number, url in rows if is_picture(url)]

    def _block(self, number: int) -> str | None:
        row = self._one("SELECT content FROM block WHERE number = ?", number)
        return str(row[0]) if row else None

    def library(self, item: Item) -> Library:
        """What the body of an item refers to."""
        return Library(self.attachment, lambda number: self._attached(number or item.post_id), self._block)


def distinct(items: Iterable[str]) -> list[str]:
    """Each once, in the order of the first."""
    return list(dict.fromkeys(items))

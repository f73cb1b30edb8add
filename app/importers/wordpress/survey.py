"""The records of an export in a temporary database, gathered in one pass, as items may refer to later ones."""

from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from app.db.driver import sqlite
from app.importers.sources import ExportFile
from app.importers.streams import Progress
from app.importers.wordpress.reader import read_all
from app.importers.wordpress.records import Author, Category, Item, Label, Record, Site, Tag, Term
from app.importers.wordpress.shortcodes import Attachment, Library
from app.text.inputs import slugify

ARTICLES: Final = {"post": "article", "page": "page"}
"""Post types that are imported as articles, with the article type."""
ABSENT: Final = frozenset({"trash", "auto-draft", "inherit"})
"""Statuses of items that are not imported."""
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".svg", ".bmp", ".tif", ".tiff", ".heic")
_MAX_DEPTH = 100
_CO_AUTHOR: Final = "cap-"  # prefix of the slugs of Co-Authors Plus

# `place` is the order in the file. An empty path is a private temporary database of SQLite, deleted when it is closed.
_TABLES = """
CREATE TABLE author (
    login TEXT PRIMARY KEY, number INTEGER, name TEXT, wrote INTEGER, listed INTEGER, nicename TEXT
);
CREATE INDEX author_nicename ON author (nicename);
CREATE TABLE guest (login TEXT PRIMARY KEY, name TEXT, account TEXT);
CREATE TABLE byline (slug TEXT, name TEXT, PRIMARY KEY (slug, name));
CREATE TABLE category (
    slug TEXT PRIMARY KEY, number INTEGER, name TEXT, parent TEXT, description TEXT, place INTEGER,
    listed INTEGER
);
CREATE INDEX category_parent ON category (parent);
CREATE INDEX category_number ON category (number);
CREATE TABLE tag (slug TEXT PRIMARY KEY, name TEXT, description TEXT, folded TEXT, listed INTEGER);
CREATE INDEX tag_folded ON tag (folded);
CREATE TABLE article (
    key TEXT PRIMARY KEY, place INTEGER, slug TEXT, hidden INTEGER, file INTEGER, modified TEXT
);
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
_ADD_AUTHOR = """
INSERT INTO author VALUES (?, ?, ?, 0, 1, ?)
ON CONFLICT DO UPDATE SET (number, name, listed) = (excluded.number, excluded.name, 1)
"""
_ADD_CATEGORY = """
INSERT INTO category VALUES (?, ?, ?, ?, ?, ?, 1)
ON CONFLICT DO UPDATE SET (number, name, parent, description, listed) = (?2, ?3, ?4, ?5, 1) WHERE NOT listed
"""
_ADD_TAG = """
INSERT INTO tag VALUES (?, ?, ?, ?, 1)
ON CONFLICT DO UPDATE SET (name, description, folded, listed) = (?2, ?3, ?4, 1) WHERE NOT listed
"""
# Of an item in several files the one that was modified last counts.
_ADD_ARTICLE = """
INSERT INTO article VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET (place, slug, hidden, file, modified) = (?2, ?3, ?4, ?5, ?6)
WHERE excluded.file != article.file AND excluded.modified > article.modified
"""
_TREE = """
WITH RECURSIVE tree (slug, depth) AS (
    SELECT slug, 0 FROM category WHERE parent NOT IN (SELECT slug FROM category)
    UNION ALL SELECT category.slug, depth + 1 FROM category JOIN tree ON category.parent = tree.slug
)
SELECT number, slug, name, parent, description, listed FROM category LEFT JOIN tree USING (slug)
ORDER BY depth IS NULL, depth, place
"""


class ListedAuthor(NamedTuple):
    """A user; `number` is their id or 0, `wrote` whether a post or page names them.

    `listed` is whether the file describes them; otherwise it only names them, and an earlier file may say more.
    """

    number: int
    login: str
    name: str
    wrote: bool
    listed: bool


class ListedFile(NamedTuple):
    """An attachment; `caption` is HTML, `described` whether it has a description too."""

    number: int
    url: str
    alt: str
    caption: str
    title: str
    described: bool


def is_default_category(category: Category) -> bool:
    """Tell whether it is WordPress's default category."""
    return category.slug == "uncategorized" and category.name.casefold() == "uncategorized"


def path_of(url: str) -> str:
    """Return the decoded path of a URL without the final slash; empty if the URL has a query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return "" if parts.query else unquote(parts.path).rstrip("/")


def is_picture(url: str) -> bool:
    """Tell whether a URL looks like that of a picture; exports do not contain media types."""
    return path_of(url.partition("?")[0]).lower().endswith(_PICTURES)


def key_of(item: Item) -> str:
    """Return the ledger key of an item, the same in every export of its site; empty if it has no id."""
    return str(item.post_id or "") or item.guid or item.link or (item.slug and f"{item.type}:{item.slug}")


def _tag_values(tag: Tag | Term) -> tuple[str, ...]:
    return tag.slug, tag.name, tag.description, " ".join(tag.name.split()).casefold()


def _category_values(category: Category | Term) -> tuple[object, ...]:
    return category.slug, category.id, category.name, category.parent, category.description


class Earlier(Protocol):
    """Results of earlier imports of the same site."""

    def has(self, kind: str, key: str) -> bool:
        """Tell whether something was imported."""

    def attachment(self, number: int) -> Attachment | None:
        """Return a picture that was imported, or None."""

    def rewrite_urls(self, html: str) -> str:
        """Replace the URLs of files of the old site that are in the media store."""


class _NoEarlierImports:
    def has(self, _kind: str, _key: str) -> bool:
        return False

    def attachment(self, _number: int) -> Attachment | None:
        return None

    def rewrite_urls(self, html: str) -> str:
        return html


NO_EARLIER_IMPORTS: Final = _NoEarlierImports()


class Survey:
    """The temporary database of an import, which also records the slugs that were given to articles."""

    def __init__(
        self, files: Sequence[ExportFile], progress: Progress | None = None, earlier: Earlier = NO_EARLIER_IMPORTS
    ) -> None:
        self.site: Site
        self._earlier = earlier
        self._store = sqlite.connect("", isolation_level=None)
        self._store.executescript(_TABLES)
        self._store.execute("BEGIN")
        for place, (file, record) in enumerate(read_all(files, progress)):
            self._take(place, file, record)
        self._add_bylines()
        self._store.execute("COMMIT")

    def close(self) -> None:
        """Remove the temporary file."""
        self._store.close()

    def _one(self, query: str, *values: object) -> tuple[object, ...] | None:
        row: tuple[object, ...] | None = self._store.execute(query, values).fetchone()
        return row

    def _take(self, place: int, file: int, record: Record) -> None:
        run = self._store.execute
        if isinstance(record, Site):
            if file == 0:
                self.site = record
        elif isinstance(record, Author):
            name = record.display_name or f"{record.first_name} {record.last_name}".strip() or record.login
            row = (record.login, record.id, name, slugify(record.login))
            run(_ADD_AUTHOR, row)
        elif isinstance(record, Category):
            run("INSERT OR REPLACE INTO category VALUES (?, ?, ?, ?, ?, ?, 1)", (*_category_values(record), place))
        elif isinstance(record, Tag):
            run("INSERT OR REPLACE INTO tag VALUES (?, ?, ?, ?, 1)", _tag_values(record))
        elif isinstance(record, Term) and record.taxonomy == "category":
            run(_ADD_CATEGORY, (*_category_values(record), place))
        elif isinstance(record, Term) and record.taxonomy == "post_tag":
            run(_ADD_TAG, _tag_values(record))
        elif isinstance(record, Item):
            self._take_item(place, file, record)

    def _take_item(self, place: int, file: int, item: Item) -> None:
        run = self._store.execute
        if item.type in ARTICLES:
            modified = item.modified_at.isoformat() if item.modified_at else ""
            run(_ADD_ARTICLE, (key_of(item), place, item.slug.lower(), not item.is_public, file, modified))
            if item.status not in ABSENT:
                self._take_names(place, item)
        elif item.type == "attachment" and item.status not in ABSENT - {"inherit"}:
            place_there = (item.post_id, item.parent_id, item.menu_order)
            texts = (unescape(item.alt_text), item.excerpt, item.title or item.slug, bool(item.content.strip()))
            values = (*place_there, item.attachment_url, *texts)
            run("INSERT OR IGNORE INTO attachment VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        elif item.type == "guest-author":
            login = item.first_meta("cap-user_login") or item.slug.removeprefix(_CO_AUTHOR)
            name, account = item.first_meta("cap-display_name") or item.title, item.first_meta("cap-linked_account")
            run("INSERT OR IGNORE INTO guest VALUES (?, ?, ?)", (login, name, account))
        elif item.type == "wp_block" and item.is_public:
            run("INSERT OR IGNORE INTO block VALUES (?, ?)", (item.post_id, item.content))

    def _take_names(self, place: int, item: Item) -> None:
        """Add authors, categories and tags that older exports do not list separately."""
        run = self._store.execute
        if bylines := item.labels("author"):
            rows = [(label.slug, label.name) for label in bylines]
            self._store.executemany("INSERT OR IGNORE INTO byline VALUES (?, ?)", rows)
        elif item.creator:
            self._add_author(item.creator, item.creator)
        for label in item.labels("category"):
            run("INSERT OR IGNORE INTO category VALUES (?, 0, ?, '', '', ?, 0)", (label.slug, label.name, place))
        for label in item.labels("post_tag"):
            run("INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?, 0)", _tag_values(Tag(0, label.slug, label.name, "")))

    def _add_author(self, login: str, name: str) -> None:
        row = (login, name, slugify(login))
        insert = "INSERT INTO author VALUES (?, 0, ?, 1, 0, ?) ON CONFLICT DO UPDATE SET wrote = 1"
        self._store.execute(insert, row)

    def _add_bylines(self) -> None:
        """Add the co-authors once all users and guest authors are known."""
        for slug, name in self._store.execute("SELECT slug, name FROM byline ORDER BY slug, name").fetchall():
            login = self.login_of(Label("author", slug, name))
            guest = self._one("SELECT name FROM guest WHERE login = ?", login)
            self._add_author(login, str(guest[0]) if guest else name)

    def login_of(self, label: Label) -> str:
        """Return the login of a term of the taxonomy `author`, which Co-Authors Plus uses for ordered co-authors.

        Its slug is derived from the login, with the prefix `cap-`; its name is the login or the display name. Guest
        authors are items of their own, which may be linked to a user.
        """
        nicename = label.slug.removeprefix(_CO_AUTHOR)
        guest = self._one("SELECT login, account FROM guest WHERE login IN (?, ?)", nicename, label.name)
        if guest and not guest[1]:
            return str(guest[0])
        account = str(guest[1]) if guest else label.name
        query = (
            "SELECT login FROM author WHERE login IN (?1, ?2) OR nicename IN (?3, ?4)"
            " ORDER BY login = ?1 DESC, login = ?2 DESC, login LIMIT 1"
        )
        row = self._one(query, account, nicename, slugify(account), slugify(nicename))
        return str(row[0]) if row else nicename

    def authors_of(self, item: Item) -> tuple[str, ...]:
        """Return the logins of the authors of an item, in order: its co-authors, else its creator."""
        if bylines := item.labels("author"):
            return tuple(unique(self.login_of(label) for label in bylines))
        return (item.creator,) if item.creator else ()

    def authors(self) -> Iterator[ListedAuthor]:
        """Yield all users."""
        rows = self._store.execute("SELECT number, login, name, wrote, listed FROM author ORDER BY login")
        return (ListedAuthor(*row) for row in rows)

    def categories(self) -> Iterator[tuple[Category, bool]]:
        """Yield all categories, parents first, and whether the file describes each. Cycles lose their parents.

        A parent that is in no file is kept only if an earlier import had it.
        """
        inside = {slug for (slug,) in self._store.execute("SELECT slug FROM category")}
        done: set[str] = set()
        for number, slug, name, parent, description, listed in self._store.execute(_TREE):
            done.add(slug)
            is_earlier = parent not in inside and bool(parent) and self._earlier.has("category", parent)
            is_known = (parent in done and parent != slug) or is_earlier
            yield Category(number, slug, name, parent if is_known else "", description), bool(listed)

    def tags(self) -> Iterator[tuple[Tag, bool]]:
        """Yield all tags, and whether the file describes each."""
        rows = self._store.execute("SELECT slug, name, description, listed FROM tag ORDER BY slug")
        return ((Tag(0, slug, name, description), bool(listed)) for slug, name, description, listed in rows)

    def login(self, number: int) -> str | None:
        """Return the login of the user with an id, or None."""
        row = self._one("SELECT login FROM author WHERE number = ?", number) if number else None
        return str(row[0]) if row else None

    def tag_like(self, slug: str, name: str) -> str | None:
        """Return the slug of the tag with the slug of a category, or with its name in any letter case."""
        query = "SELECT slug FROM tag WHERE slug = ?1 OR folded = ?2 ORDER BY slug = ?1 DESC, slug LIMIT 1"
        row = self._one(query, slug, " ".join(name.split()).casefold())
        return str(row[0]) if row else None

    def pictures(self) -> Iterator[ListedFile]:
        """Yield all attachments that are pictures."""
        rows = self._store.execute("SELECT number, url, alt, caption, title, described FROM attachment ORDER BY number")
        return (file for row in rows if is_picture((file := ListedFile(*row)).url))

    def uploads(self) -> Iterator[tuple[int, int]]:
        """Yield the id of each attachment that was uploaded to an item, and the id of the item."""
        query = "SELECT number, parent FROM attachment WHERE parent != 0 AND number != 0 ORDER BY number"
        return iter(self._store.execute(query).fetchall())

    def depth(self, slug: str) -> int:
        """Count the ancestors of a category."""
        above: list[str] = []
        while len(above) < _MAX_DEPTH and slug not in above:
            above.append(slug)
            row = self._one("SELECT parent FROM category WHERE slug = ?", slug)
            slug = str(row[0]) if row else ""
        return len(above) - 1

    def category(self, number: int) -> str | None:
        """Return the slug of the category with an id, or None."""
        row = self._one("SELECT slug FROM category WHERE number = ?", number) if number else None
        return str(row[0]) if row else None

    def is_chosen(self, place: int, item: Item) -> bool:
        """Tell whether an item is the one that counts for its id: the first of a file, the newest of several files."""
        return self._one("SELECT place FROM article WHERE key = ?", key_of(item)) == (place,)

    def is_in_another_file(self, file: int, item: Item) -> bool:
        """Tell whether the item that counts for its id is in another file."""
        return self._one("SELECT file FROM article WHERE key = ?", key_of(item)) != (file,)

    def slug_owner(self, slug: str) -> str | None:
        """Return the key of the item that a slug belongs to: the first public one, else the first."""
        row = self._one("SELECT key FROM article WHERE slug = ? ORDER BY hidden, place LIMIT 1", slug)
        return str(row[0]) if row else None

    def is_reserved(self, slug: str, key: str) -> bool:
        """Tell whether a slug is reserved for another item."""
        row = self._one("SELECT key FROM given WHERE slug = ?", slug)
        return row is not None and row[0] != key

    def reserve_slug(self, slug: str, key: str) -> None:
        """Reserve a slug for an item."""
        self._store.execute("INSERT OR REPLACE INTO given VALUES (?, ?)", (slug, key))

    def variants(self, base: str) -> Iterator[str]:
        """Yield `base`, `base-2`, `base-3`, …, continuing after the last variant of this base."""
        while True:
            row = self._one("INSERT INTO counted VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n", base)
            assert row is not None
            yield base if row[0] == 1 else f"{base}-{row[0]}"

    def attachment(self, number: int) -> Attachment | None:
        """Return an uploaded file of this or an earlier import, or None."""
        row = self._one("SELECT url, alt, caption FROM attachment WHERE number = ?", number)
        return Attachment(*map(str, row)) if row else self._earlier.attachment(number)

    def _attached(self, parent: int) -> Sequence[int]:
        rows = self._store.execute(
            "SELECT number, url FROM attachment WHERE parent = ? ORDER BY position, number", (parent,)
        )
        return [number for number, url in rows if is_picture(url)]

    def _block(self, number: int) -> str | None:
        row = self._one("SELECT content FROM block WHERE number = ?", number)
        return str(row[0]) if row else None

    def rewrite_urls(self, html: str) -> str:
        """Replace the URLs of files of the old site that are in the media store."""
        return self._earlier.rewrite_urls(html)

    def library(self, item: Item) -> Library:
        """Return the lookup for the body of an item."""

        def attached(number: int) -> Sequence[int]:
            return self._attached(number or item.post_id)

        return Library(self.attachment, attached, self._block, item.first_meta("footnotes"))


def unique(items: Iterable[str]) -> list[str]:
    """Return the items without repetitions, in order."""
    return list(dict.fromkeys(items))

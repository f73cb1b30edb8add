"""What the items of a file refer to, gathered in one pass into a temporary file: anything may stand after its use."""

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
"""The post types that become articles, with the type that these have here."""
ABSENT: Final = frozenset({"trash", "auto-draft", "inherit"})
"""Statuses of items that nobody is meant to find."""
_PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".svg", ".bmp", ".tif", ".tiff", ".heic")
_DEEPEST = 100
_CO_AUTHOR: Final = "cap-"  # before the slugs of Co-Authors Plus

# `place` is the order of the file. An empty path is SQLite's private file, which goes when it is closed.
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
# Of an item that is in several files the one that was changed last counts.
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
    """A user; `number` is 0 when the file does not say, `wrote` says that a post or page names them.

    `listed` says that the file describes them; else they are only named, and an earlier file may say more.
    """

    number: int
    login: str
    name: str
    wrote: bool
    listed: bool


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


class Earlier(Protocol):
    """What earlier imports of the same site brought."""

    def has(self, kind: str, key: str) -> bool:
        """Whether something came and is still known."""

    def attachment(self, number: int) -> Attachment | None:
        """A picture that came, as it is here."""

    def show(self, html: str) -> str:
        """HTML in which the files that are stored here are shown from here."""


class _Nothing:
    def has(self, _kind: str, _key: str) -> bool:
        return False

    def attachment(self, _number: int) -> Attachment | None:
        return None

    def show(self, html: str) -> str:
        return html


NOTHING_EARLIER: Final = _Nothing()


class Survey:
    """Looks things up for the import; also keeps account of the slugs that it gives."""

    def __init__(
        self, files: Sequence[ExportFile], progress: Progress | None = None, earlier: Earlier = NOTHING_EARLIER
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
            run("INSERT OR REPLACE INTO category VALUES (?, ?, ?, ?, ?, ?, 1)", (*_category(record), place))
        elif isinstance(record, Tag):
            run("INSERT OR REPLACE INTO tag VALUES (?, ?, ?, ?, 1)", _tag(record))
        elif isinstance(record, Term) and record.taxonomy == "category":
            run(_ADD_CATEGORY, (*_category(record), place))
        elif isinstance(record, Term) and record.taxonomy == "post_tag":
            run(_ADD_TAG, _tag(record))
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
            said = (unescape(item.alt_text), item.excerpt, item.title or item.slug, bool(item.content.strip()))
            values = (*place_there, item.attachment_url, *said)
            run("INSERT OR IGNORE INTO attachment VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        elif item.type == "guest-author":
            login = item.first_meta("cap-user_login") or item.slug.removeprefix(_CO_AUTHOR)
            name, account = item.first_meta("cap-display_name") or item.title, item.first_meta("cap-linked_account")
            run("INSERT OR IGNORE INTO guest VALUES (?, ?, ?)", (login, name, account))
        elif item.type == "wp_block" and item.is_public:
            run("INSERT OR IGNORE INTO block VALUES (?, ?)", (item.post_id, item.content))

    def _take_names(self, place: int, item: Item) -> None:
        """Take what older exports do not list by itself."""
        run = self._store.execute
        if bylines := item.labels("author"):
            rows = [(label.slug, label.name) for label in bylines]
            self._store.executemany("INSERT OR IGNORE INTO byline VALUES (?, ?)", rows)
        elif item.creator:
            self._add_author(item.creator, item.creator)
        for label in item.labels("category"):
            run("INSERT OR IGNORE INTO category VALUES (?, 0, ?, '', '', ?, 0)", (label.slug, label.name, place))
        for label in item.labels("post_tag"):
            run("INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?, 0)", _tag(Tag(0, label.slug, label.name, "")))

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
        """The login behind a term of the taxonomy `author`, in which co-authors are kept in order.

        Its slug is made of the login, with `cap-` before it; its name is the login, or what readers see. Guest authors
        are items of their own, and may be linked to a user.
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
        """The logins of the authors of an item, in order: its co-authors, else who wrote it."""
        if bylines := item.labels("author"):
            return tuple(distinct(self.login_of(label) for label in bylines))
        return (item.creator,) if item.creator else ()

    def authors(self) -> Iterator[ListedAuthor]:
        """All users."""
        rows = self._store.execute("SELECT number, login, name, wrote, listed FROM author ORDER BY login")
        return (ListedAuthor(*row) for row in rows)

    def categories(self) -> Iterator[tuple[Category, bool]]:
        """All categories, parents first, and whether the file describes each; of a circle of parents none has one.

        A parent that is in no file is one of an earlier import, or none.
        """
        inside = {slug for (slug,) in self._store.execute("SELECT slug FROM category")}
        done: set[str] = set()
        for number, slug, name, parent, description, listed in self._store.execute(_TREE):
            done.add(slug)
            is_earlier = parent not in inside and bool(parent) and self._earlier.has("category", parent)
            is_known = (parent in done and parent != slug) or is_earlier
            yield Category(number, slug, name, parent if is_known else "", description), bool(listed)

    def tags(self) -> Iterator[tuple[Tag, bool]]:
        """All tags, and whether the file describes each."""
        rows = self._store.execute("SELECT slug, name, description, listed FROM tag ORDER BY slug")
        return ((Tag(0, slug, name, description), bool(listed)) for slug, name, description, listed in rows)

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

    def uploads(self) -> Iterator[tuple[int, int]]:
        """The number of each attachment that was uploaded to something, and the number of that."""
        query = "SELECT number, parent FROM attachment WHERE parent != 0 AND number != 0 ORDER BY number"
        return iter(self._store.execute(query).fetchall())

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

    def is_chosen(self, place: int, item: Item) -> bool:
        """Whether it is the item that stands for its id: the first of a file, of several files the newest."""
        return self._one("SELECT place FROM article WHERE key = ?", key_of(item)) == (place,)

    def is_in_another_file(self, file: int, item: Item) -> bool:
        """Whether the item that stands for its id is in another file."""
        return self._one("SELECT file FROM article WHERE key = ?", key_of(item)) != (file,)

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
        """An uploaded file, with its caption as HTML; one that is in no file may have come earlier."""
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

    def show(self, html: str) -> str:
        """HTML in which the files that are stored here are shown from here."""
        return self._earlier.show(html)

    def library(self, item: Item) -> Library:
        """What the body of an item refers to."""

        def attached(number: int) -> Sequence[int]:
            return self._attached(number or item.post_id)

        return Library(self.attachment, attached, self._block, item.first_meta("footnotes"))


def distinct(items: Iterable[str]) -> list[str]:
    """Each once, in the order of the first."""
    return list(dict.fromkeys(items))

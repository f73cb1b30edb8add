"""WordPress exports written for a test, loading them, and the whole store as text."""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from app.db import Database
from app.importers.report import Line
from app.importers.wordpress.loader import import_wordpress

HARBOUR = Path(__file__).with_name("harbour.xml")
SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "wordpress-theme-unit-test.xml"
FILES = [path for path in (HARBOUR, SHARED) if path.exists()]

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    ' xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:wp="http://wordpress.org/export/1.2/">\n'
    "<channel><title>Quay</title><link>{link}</link><language>en-GB</language>\n<wp:wxr_version>1.2</wp:wxr_version>\n"
)
_PLACES = {"title": "title", "link": "link", "creator": "dc:creator", "content": "content:encoded"}
_PLACES |= {"excerpt": "excerpt:encoded", "guid": "guid"}


def item(number: int, **fields: Any) -> str:
    """A published post of 2 March 2020 with its number in title, slug and text, unless the fields say otherwise.

    `terms` are pairs of taxonomy and slug, `meta` pairs of key and value; `more` is XML as it stands.
    """
    values = {
        "title": f"Title {number}",
        "content": f"Text {number}.",
        "post_id": number,
        "post_name": f"slug-{number}",
        "status": "publish",
        "post_type": "post",
        "post_date_gmt": "2020-03-02 08:30:00",
        **fields,
    }
    terms, meta, more = values.pop("terms", ()), values.pop("meta", ()), values.pop("more", "")
    parts = [f"<{_PLACES.get(name, f'wp:{name}')}>{escape(str(value))}</{_PLACES.get(name, f'wp:{name}')}>"
             for name, value in values.items()]  # fmt: skip
    parts += [f'<category domain="{kind}" nicename="{slug}">{slug.title()}</category>' for kind, slug in terms]
    parts += [
        f"<wp:postmeta><wp:meta_key>{key}</wp:meta_key><wp:meta_value>{value}</wp:meta_value></wp:postmeta>"
        for key, value in meta
    ]
    return f"<item>{''.join(parts)}{more}</item>\n"


def picture(number: int, **fields: Any) -> str:
    """An attachment that is a picture."""
    common = {"post_type": "attachment", "status": "inherit", "attachment_url": f"https://files.example/{number}.jpg"}
    return item(number, **{**common, "content": "", **fields})


def comment(number: int, meta: Iterable[tuple[str, str]] = (), **fields: Any) -> str:
    """An approved comment by Ada, minutes after noon by its number, unless the fields say otherwise."""
    values = {
        "comment_id": number,
        "comment_author": "Ada",
        "comment_author_email": "ada@mail.example",
        "comment_date_gmt": f"2020-03-02 {12 + number // 60}:{number % 60:02}:00",
        "comment_content": f"Comment {number}.",
        "comment_approved": "1",
        **fields,
    }
    parts = [f"<wp:{name}>{escape(str(value))}</wp:{name}>" for name, value in values.items()]
    parts += [
        f"<wp:commentmeta><wp:meta_key>{key}</wp:meta_key><wp:meta_value>{escape(value)}</wp:meta_value></wp:commentmeta>"
        for key, value in meta
    ]
    return f"<wp:comment>{''.join(parts)}</wp:comment>"


def author(login: str, name: str, number: int = 0) -> str:
    """A user with an e-mail address."""
    return (
        f"<wp:author><wp:author_id>{number}</wp:author_id><wp:author_login>{login}</wp:author_login><wp:author_email>{login}@mail.example</wp:author_email>"
        f"<wp:author_display_name>{name}</wp:author_display_name></wp:author>\n"
    )


def category(slug: str, parent: str = "", number: int = 0, name: str = "", description: str = "") -> str:
    """A category."""
    return (
        f"<wp:category><wp:term_id>{number}</wp:term_id><wp:category_nicename>{slug}</wp:category_nicename>"
        f"<wp:category_parent>{parent}</wp:category_parent><wp:cat_name>{name or slug.title()}</wp:cat_name>"
        f"<wp:category_description>{description}</wp:category_description></wp:category>\n"
    )


def export(path: Path, *parts: str, link: str = "https://quay.example") -> Path:
    """Write an export of these parts."""
    path.write_text(_HEAD.format(link=link) + "".join(parts) + "</channel></rss>\n", "utf-8")
    return path


class Loaded:
    """What an import reported."""

    def __init__(self, db: Database, *paths: Path, dry_run: bool = False, lenient: bool = False) -> None:
        report = import_wordpress(db, *paths, dry_run=dry_run, lenient=lenient)
        self.summary, self.lines, self.failures = report.summary(), list(report.lines()), report.failures
        report.close()

    def counts(self, kind: str) -> dict[str, int]:
        """The numbers of a kind that are not 0."""
        return {name: number for name, number in self.summary["kinds"].get(kind, {}).items() if number}

    def outcomes(self) -> set[str]:
        """All that became of anything."""
        kinds: Iterable[dict[str, int]] = self.summary["kinds"].values()
        return {name for counts in kinds for name, number in counts.items() if number} - {"came", "altered"}

    def line(self, kind: str, number: object) -> Line:
        """The line of one thing."""
        (found,) = [line for line in self.lines if (line.kind, line.id) == (kind, str(number))]
        return found


def dump(db: Database) -> dict[str, list[str]]:
    """Every row of every table, to be compared."""
    with db.connect() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(sa.select(table)))
            for table in SQLModel.metadata.sorted_tables
        }

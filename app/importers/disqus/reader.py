"""Streaming reader of Disqus XML exports; its memory does not grow with the file."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lxml import etree

from app.importers.streams import Elements, Progress, check_root, stream
from app.text.inputs import scrub_text

_SPACE: Final = "{http://disqus.com}"
_ID: Final = "{http://disqus.com/disqus-internals}id"


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of posts; `identifier` is the site's own name of the page, often empty."""

    id: str
    identifier: str
    forum: str
    link: str
    title: str


@dataclass(frozen=True, slots=True)
class Post:
    """A comment; its IP address is never read."""

    id: str
    thread: str
    parent: str
    name: str
    email: str = field(repr=False)
    message: str
    created_at: datetime | None
    is_approved: bool
    is_deleted: bool
    is_spam: bool


def read_disqus(path: Path, progress: Progress | None = None) -> Iterator[Thread | Post]:
    """Yield the threads and posts of a file in order; raise BrokenFile at an error, or if it is no export."""
    return stream(path, progress, _records)


def _records(elements: Elements) -> Iterator[Thread | Post]:
    root: etree._Element | None = None
    for _, element in elements:
        if root is None:
            root = check_root(element, f"{_SPACE}disqus", "Disqus")
        if element.getparent() is not root:
            continue
        if element.tag == f"{_SPACE}thread":
            yield _thread(element)
        elif element.tag == f"{_SPACE}post":
            yield _post(element)
        while element.getprevious() is not None:
            del root[0]


def _text(element: etree._Element, name: str) -> str:
    child = element.find("/".join(_SPACE + part for part in name.split("/")))
    return "" if child is None else scrub_text("".join(map(str, child.itertext()))).strip()


def _reference(element: etree._Element, name: str) -> str:
    child = element.find(_SPACE + name)
    return "" if child is None else scrub_text(child.get(_ID) or "").strip()


def _thread(element: etree._Element) -> Thread:
    number = scrub_text(element.get(_ID) or "").strip()
    return Thread(number, *(_text(element, name) for name in ("id", "forum", "link", "title")))


def _post(element: etree._Element) -> Post:
    return Post(
        id=scrub_text(element.get(_ID) or "").strip(),
        thread=_reference(element, "thread"),
        parent=_reference(element, "parent"),
        name=_text(element, "author/name") or _text(element, "author/username"),
        email=_text(element, "author/email"),
        message=_text(element, "message"),
        created_at=_parse_time(_text(element, "createdAt")),
        is_approved=_text(element, "isApproved").lower() != "false",
        is_deleted=_text(element, "isDeleted").lower() == "true",
        is_spam=_text(element, "isSpam").lower() == "true",
    )


def _parse_time(text: str) -> datetime | None:
    """Parse a time in ISO 8601, by default in UTC; None for anything else."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None

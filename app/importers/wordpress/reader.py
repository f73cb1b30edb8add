"""A streaming reader of WordPress eXtended RSS (WXR 1.0, 1.1 and 1.2) whose memory does not grow with the file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from lxml import etree

from app.importers.sources import ExportFile
from app.importers.streams import Progress, Unsuitable, checked_root, line_of, stream, stream_all
from app.importers.wordpress.elements import MAKERS, Fields, field_name, site, text
from app.importers.wordpress.records import Author, Category, Contents, Item, Record, Site, Tag, Term

VERSIONS: Final = ("1.0", "1.1", "1.2")


def check(path: Path, progress: Progress | None = None) -> Contents:
    """Read the whole file once and count what it holds, so that a broken one is refused before anything is written.

    Raises BrokenFile when it is not well-formed XML, has a document type declaration, or is no WordPress export.
    """
    kinds: Counter[type[Record]] = Counter()
    items: Counter[str] = Counter()
    version, comments = "", 0
    for record in read(path, progress):
        kinds[type(record)] += 1
        if isinstance(record, Item):
            items[record.type] += 1
            comments += len(record.comments)
        elif isinstance(record, Site):
            version = record.version
    return Contents(
        version=version,
        authors=kinds[Author],
        categories=kinds[Category],
        tags=kinds[Tag],
        terms=kinds[Term],
        items=dict(items),
        comments=comments,
    )


def read(path: Path, progress: Progress | None = None) -> Iterator[Record]:
    """Yield the records of a WXR file in its order, the site first; only one of them is in memory at a time.

    What an item refers to (parent, featured image, gallery) may come after it. Raises BrokenFile where `check` does,
    after having yielded what stands before the break.
    """
    return stream(path, progress, _records)


def read_all(files: Sequence[ExportFile], progress: Progress | None = None) -> Iterator[tuple[int, Record]]:
    """Yield the records of several files with the number of the file; each begins with a site."""
    return stream_all(files, progress, read)


def _records(elements: Any) -> Iterator[Record]:
    root: etree._Element | None = None
    head: Fields = {}
    found: Site | None = None
    for _, element in elements:
        if root is None:
            root = checked_root(element, "rss", "WordPress")
        channel = element.getparent()
        if channel is None or channel.tag != "channel" or channel.getparent() is not root:
            continue
        key = field_name(element.tag)
        if make := MAKERS.get(key):
            if found is None:
                found = _checked_site(head, line_of(element))
                yield found
            yield make(element)
        elif found is None:
            head.setdefault(key, text(element))
        # The tree is what grows: drop all that stands before what has just been read.
        while element.getprevious() is not None:
            del channel[0]
    if found is None:
        yield _checked_site(head, 1)


def _checked_site(head: Fields, line: int) -> Site:
    found = site(head)
    if not found.version:
        raise Unsuitable("not a WordPress export: it has no wp:wxr_version", line)
    if found.version not in VERSIONS:
        raise Unsuitable(f"WXR version {found.version[:20]} is not supported; {', '.join(VERSIONS)} are", line)
    return found

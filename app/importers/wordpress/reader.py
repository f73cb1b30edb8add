"""Streaming reader of WordPress eXtended RSS (WXR 1.0, 1.1 and 1.2); its memory does not grow with the file."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lxml import etree

from app.importers.sources import ExportFile
from app.importers.streams import Elements, Progress, Unsuitable, check_root, line_of, stream, stream_all
from app.importers.wordpress.elements import MAKERS, Fields, build_site, field_name, text
from app.importers.wordpress.records import Author, Category, Contents, Item, Record, Site, Tag, Term

VERSIONS: Final = ("1.0", "1.1", "1.2")


def check(path: Path, progress: Progress | None = None) -> Contents:
    """Read a file and count its records.

    Raise BrokenFile if it is not well-formed XML, has a document type declaration, or is no WordPress export.
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
    """Yield the records of a WXR file in order, the site first; only one of them is in memory at a time.

    Items may refer to later ones (parent, featured image, gallery). Raise BrokenFile as `check` does, after
    having yielded the records before the error.
    """
    return stream(path, progress, _records)


def read_all(files: Sequence[ExportFile], progress: Progress | None = None) -> Iterator[tuple[int, Record]]:
    """Yield the records of several files, each with the index of its file; each file begins with a site."""
    return stream_all(files, progress, read)


def _records(elements: Elements) -> Iterator[Record]:
    root: etree._Element | None = None
    head: Fields = {}
    site_read: Site | None = None
    for _, element in elements:
        if root is None:
            root = check_root(element, "rss", "WordPress")
        channel = element.getparent()
        if channel is None or channel.tag != "channel" or channel.getparent() is not root:
            continue
        key = field_name(element.tag)
        if make := MAKERS.get(key):
            if site_read is None:
                site_read = _check_site(head, line_of(element))
                yield site_read
            yield make(element)
        elif site_read is None:
            head.setdefault(key, text(element))
        # Delete the elements that were read, so that the tree does not grow.
        while element.getprevious() is not None:
            del channel[0]
    if site_read is None:
        yield _check_site(head, 1)


def _check_site(head: Fields, line: int) -> Site:
    site = build_site(head)
    if not site.version:
        raise Unsuitable("not a WordPress export: it has no wp:wxr_version", line)
    if site.version not in VERSIONS:
        raise Unsuitable(f"WXR version {site.version[:20]} is not supported; {', '.join(VERSIONS)} are", line)
    return site

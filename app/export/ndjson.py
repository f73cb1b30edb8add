"""Everything as newline-delimited JSON: what the API shows of each thing, and what only editors and operators see."""

import hashlib
from collections.abc import Callable, Iterator

import pydantic_core
import sqlalchemy as sa

from app.articles.site import Site
from app.core.clock import now
from app.db.columns import Row
from app.export import everything

Step = Callable[[int], None]


def _line(kind: str, row: Row) -> bytes:
    return pydantic_core.to_json({"type": kind, "data": dict(row)}) + b"\n"


def _rows(connection: sa.Connection, site: Site, step: Step) -> Iterator[bytes]:
    for kind in everything.TERMS:
        for row in everything.terms(connection, kind):
            yield _line(kind, row)
    for articles in everything.articles(connection, site):
        for article in articles:
            yield _line("article", article)
        step(len(articles))
    for revision in everything.revisions(connection):
        yield _line("revision", revision)
    for address in everything.addresses(connection):
        yield _line("address", address)
    for comment in everything.comments(connection):
        yield _line("comment", comment)
        step(1)


def write(connection: sa.Connection, site: Site, name: str, write: Callable[[bytes], object], step: Step) -> int:
    """Write the lines; returns how many stand between the manifest and the trailer."""
    about = {"format": "broadsheet-archive", "version": 1, "site_name": name, "site_url": site.url, "created_at": now()}
    first = _line("manifest", about)
    digest, count = hashlib.sha256(first), 0
    write(first)
    for line in _rows(connection, site, step):
        digest.update(line)
        write(line)
        count += 1
    write(_line("trailer", {"count": count, "sha256": digest.hexdigest()}))
    return count

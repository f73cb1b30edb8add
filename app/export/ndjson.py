"""Everything as newline-delimited JSON: what the API shows, and what only editors and operators see."""

import hashlib
from collections.abc import Callable, Iterator, Mapping

import pydantic_core
import sqlalchemy as sa

from app.core.clock import now
from app.export import everything
from app.publication.site import Site

Step = Callable[[int], None]
"""Called with the number of articles and comments written since its last call."""


def _make_line(kind: str, data: Mapping[str, object]) -> bytes:
    return pydantic_core.to_json({"type": kind, "data": data}) + b"\n"


def _read_lines(connection: sa.Connection, site: Site, step: Step) -> Iterator[bytes]:
    for kind in everything.TERM_SOURCES:
        for term in everything.read_terms(connection, kind, site):
            yield _make_line(kind, term)
    for articles in everything.read_articles(connection, site):
        for article in articles:
            yield _make_line("article", article.to_json())
        step(len(articles))
    for revision in everything.read_revisions(connection):
        yield _make_line("revision", revision)
    for address in everything.read_addresses(connection):
        yield _make_line("address", address)
    yield _make_line("site", everything.read_profile(connection))
    for redirect in everything.read_redirects(connection):
        yield _make_line("redirect", redirect)
    for kind in everything.HISTORY:
        for row in everything.read_history(connection, kind):
            yield _make_line(kind, row)
    for role in everything.read_roles(connection):
        yield _make_line("role", role)
    for person in everything.read_people(connection):
        yield _make_line("person", person)
    for comment in everything.read_comments(connection):
        yield _make_line("comment", comment)
        step(1)


def write_ndjson(
    connection: sa.Connection, site: Site, site_name: str, write: Callable[[bytes], object], step: Step
) -> int:
    """Write all lines; return the number of those between the manifest and the trailer."""
    manifest = {
        "format": "broadsheet-archive",
        "version": 1,
        "site_name": site_name,
        "site_url": site.url,
        "created_at": now(),
    }
    first = _make_line("manifest", manifest)
    digest, count = hashlib.sha256(first), 0
    write(first)
    for line in _read_lines(connection, site, step):
        digest.update(line)
        write(line)
        count += 1
    write(_make_line("trailer", {"count": count, "sha256": digest.hexdigest()}))
    return count

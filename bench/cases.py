"""The benchmark cases: requests as front ends and editors send them."""

import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa

from app.articles.list_parameters import SORTS, ListQuery
from app.articles.tables import Article
from app.comments.schemas import SORT_COLUMNS, CommentQuery
from app.comments.schemas import SORTS as COMMENT_SORTS
from app.comments.tables import Comment
from app.db import open_database
from app.db.columns import table_of
from app.publication.tables import Author, Section, Tag
from bench.discussion import list_guest_tokens
from bench.seed import WORDS, Store, build_draft

PAGE = 20
DEPTH = 25  # the deep page is number articles / 25: page 80 of 2,000, page 4,000 of 100,000
SAMPLE = 2000  # different articles that are requested
KNOWN = 200  # different articles whose ETags the client has
DRAFTS = 50  # different texts that are sent
_NUMBERS = itertools.count(time.time_ns() // 1000)  # stores are kept: no run repeats the texts of another


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def wire(self, path: str | None = None) -> bytes:
        """Return the bytes of the request, optionally to another path."""
        lines = [f"{self.method} {path or self.path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Facts(NamedTuple):
    """Facts about a store that the cases need."""

    key: str
    slugs: list[str]
    cursor: str  # of the deep page
    common: str  # the most used tag
    rare: str  # the least used tag that still fills a page
    section: str  # the smallest one
    author: str  # the one with the fewest articles
    discussed: str  # slug of the article with the long discussion
    comment: str  # id of the comment there with the most replies
    pages: dict[str, str]  # cursors in the middle of its threads, by sort


@dataclass(frozen=True)
class Case:
    """A kind of request; `statements` is the maximum for a read, None for a write."""

    name: str
    requests: Callable[[Facts], list[Request]] = field(repr=False)
    statements: int | None = 1
    status: int = 200
    connections: int = 8
    revalidates: bool = False  # each request has the ETag of its response
    creates: bool = False  # each request creates something with a unique slug
    is_scenario: bool = False  # measured by default, also as a kept answer


def _get(path: str, **headers: str) -> Request:
    return Request("GET", path, tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def _list_requests(query: str) -> Callable[[Facts], list[Request]]:
    """Return requests for a page of articles; `query` is a format string of facts."""
    return lambda facts: [_get(f"/v1/articles?limit={PAGE}{query.format_map(facts._asdict())}")]


def _article_requests(facts: Facts, query: str = "", **headers: str) -> list[Request]:
    return [_get(f"/v1/articles/{slug}{query}", **headers) for slug in facts.slugs]


def _search_requests(_facts: Facts) -> list[Request]:
    """Return searches for two words that nearly every article contains: the worst case."""
    rng = random.Random(KNOWN)
    return [_get(f"/v1/search?q={'+'.join(rng.sample(WORDS, 2))}") for _ in range(KNOWN)]


def _feed_requests(path: str) -> Callable[[Facts], list[Request]]:
    """Return requests for a feed; `path` is a format string of facts."""
    return lambda facts: [_get(f"/feeds/{path.format_map(facts._asdict())}")]


def _draft_requests(facts: Facts) -> list[Request]:
    rng = random.Random(DRAFTS)
    headers = (("Authorization", f"Bearer {facts.key}"),)
    return [Request("POST", "/v1/articles", headers, build_draft(rng, "slug-to-be-made-unique")) for _ in range(DRAFTS)]


def _comment_requests(query: str) -> Callable[[Facts], list[Request]]:
    """Return requests for a page of the long discussion."""
    return lambda facts: [_get(f"/v1/articles/{facts.discussed}/comments?limit={PAGE}{query}")]


def _deep_page_requests(sort: str) -> Callable[[Facts], list[Request]]:
    return lambda facts: _comment_requests(f"&sort={sort}&cursor={facts.pages[sort]}")(facts)


def _post_requests(facts: Facts) -> list[Request]:
    """Return comments of many guests on many articles."""
    body = json.dumps({"text": "I have crossed it every day. slug-to-be-made-unique"}).encode()
    headers = itertools.cycle([(("Authorization", f"Bearer {token}"),) for token in list_guest_tokens()])
    return [Request("POST", f"/v1/articles/{slug}/comments", next(headers), body) for slug in facts.slugs]


def _post_requests_to_one(facts: Facts) -> list[Request]:
    path = f"/v1/articles/{facts.discussed}/comments"
    return [request._replace(path=path) for request in _post_requests(facts)]


_OTHER_SORTS = [sort for sort in SORT_COLUMNS if sort != "newest"]
CASES = [
    Case("article", _article_requests, is_scenario=True),
    Case("list", _list_requests(""), is_scenario=True),
    Case("list fields", _list_requests("&fields=id,title,slug")),
    Case("list deep", _list_requests("&cursor={cursor}"), is_scenario=True),
    Case("list common tag", _list_requests("&tag={common}"), is_scenario=True),
    Case("list rare tag", _list_requests("&tag={rare}"), is_scenario=True),
    Case("list section", _list_requests("&section={section}"), is_scenario=True),
    # An empty page, which a small store may have, also resolves its filters.
    Case("list tag+section", _list_requests("&tag={common}&section={section}"), statements=4),
    Case("list tag+author", _list_requests("&tag={common}&author={author}"), statements=4),
    Case("list of feed", lambda _: [_get("/v1/articles?limit=50&formats=html")]),
    Case("feed rss", _feed_requests("site.rss"), statements=3, is_scenario=True),
    *(Case(f"feed {form}", _feed_requests(f"site.{form}"), statements=3) for form in ("atom", "json")),
    Case("feed rare tag", _feed_requests("tags/{rare}.rss"), statements=3),
    Case("feed comments", _feed_requests("articles/{discussed}/comments.atom"), statements=5),
    Case("article jsonld", lambda facts: _article_requests(facts, ".jsonld"), statements=3),
    Case("article ninjs", lambda facts: _article_requests(facts, ".ninjs"), statements=2),
    Case("article neighbours", lambda facts: _article_requests(facts, "?include=neighbours"), statements=2),
    Case("article 304", lambda facts: _article_requests(facts)[:KNOWN], status=304, revalidates=True),
    Case("article zstd", lambda facts: _article_requests(facts, accept_encoding="zstd")),
    Case("related", lambda facts: _article_requests(facts, "/related"), statements=3, is_scenario=True),
    Case("search two words", _search_requests, statements=8, is_scenario=True),
    Case("search phrase", lambda _: [_get("/v1/search?q=%22council+budget%22")], statements=8),
    Case("search for nothing", lambda _: [_get("/v1/search?q=council+kingfisher")], statements=8),
    Case("list q", _list_requests("&q=council+river"), statements=8),
    Case("list discussed", _list_requests("&sort=-discussed_7d")),
    Case("front", lambda _: [_get("/v1/fronts/home")], statements=4),
    Case("changes", lambda _: [_get(f"/v1/changes?limit={PAGE}")], statements=6, is_scenario=True),
    Case("draft create", _draft_requests, statements=None, status=201, connections=16, creates=True),
    Case("comments newest", _comment_requests("&sort=newest"), statements=3, is_scenario=True),
    *(Case(f"comments {sort}", _comment_requests(f"&sort={sort}"), statements=3) for sort in _OTHER_SORTS),
    *(Case(f"comments {sort} deep", _deep_page_requests(sort), statements=3) for sort in SORT_COLUMNS),
    Case("comments all", _comment_requests("&view=all"), statements=2),
    Case("comment replies", lambda facts: [_get(f"/v1/comments/{facts.comment}/replies")], statements=3),
    Case(
        "comment post",
        _post_requests,
        statements=None,
        status=201,
        connections=64,
        creates=True,
        is_scenario=True,
    ),
    Case("comment post to one", _post_requests_to_one, statements=None, status=201, connections=64, creates=True),
]


def _find_cursor(connection: sa.Connection, article_id: str, sort: str) -> str:
    """Find a cursor in the middle of the discussion's threads."""
    comment, order = table_of(Comment), COMMENT_SORTS[sort]
    column, is_top = comment.c[SORT_COLUMNS[sort]], comment.c.under_id == article_id
    number = connection.execute(sa.select(sa.func.count()).where(is_top)).scalar_one()
    top = sa.select(column.label("key"), comment.c.id).where(is_top)
    top = top.order_by(*order.order_by(column, comment.c.id)).limit(1).offset(number // 2)
    row = connection.execute(top).one()
    return quote(order.bound_to(CommentQuery(sort=sort), article_id).encode(row.key, row.id))


def _sample_slugs(connection: sa.Connection) -> list[str]:
    """Choose slugs of public articles at random: the same number from a store of any size."""
    article = table_of(Article)
    ids = sorted(connection.execute(sa.select(article.c.id).where(article.c.listed)).scalars())
    chosen = random.Random(SAMPLE).sample(ids, min(SAMPLE, len(ids)))
    slugs = connection.execute(sa.select(article.c.slug).where(article.c.id.in_(chosen))).scalars()
    return random.Random(SAMPLE).sample(found := sorted(slugs), len(found))


def read_facts(store: Store) -> Facts:
    """Read the facts of a store."""
    article, tag, section = table_of(Article), table_of(Tag), table_of(Section)
    comment, author = table_of(Comment), table_of(Author)
    newest = sa.select(article.c.listed_at, article.c.id, article.c.slug).where(article.c.listed)
    newest = newest.order_by(article.c.listed_at.desc(), article.c.id.desc())
    page = store.articles // DEPTH
    used, full = tag.c.articles, tag.c.articles > PAGE
    db = open_database(store.url)
    with db.connect() as connection:

        def first(query: sa.Select[Any]) -> str:
            return str(connection.execute(query.limit(1)).scalar_one())

        before = connection.execute(newest.offset((page - 1) * PAGE - 1).limit(1)).one()
        discussed = connection.execute(newest.limit(1)).one()
        busy = sa.select(comment.c.id).where(comment.c.article_id == discussed.id)
        facts = Facts(
            key=store.key,
            slugs=_sample_slugs(connection),
            cursor=quote(SORTS["-published_at"].bound_to(ListQuery()).encode(before.listed_at, before.id)),
            common=first(sa.select(tag.c.slug).order_by(used.desc(), tag.c.id)),
            rare=first(sa.select(tag.c.slug).where(full).order_by(used, tag.c.id)),
            section=first(
                sa.select(section.c.slug).where(section.c.articles > 0).order_by(section.c.articles, section.c.id)
            ),
            author=first(
                sa.select(author.c.slug).where(author.c.articles > 0).order_by(author.c.articles, author.c.id)
            ),
            discussed=discussed.slug,
            comment=first(busy.order_by(comment.c.replies.desc(), comment.c.id)),
            pages={sort: _find_cursor(connection, discussed.id, sort) for sort in SORT_COLUMNS},
        )
    for engine in db.engines():
        engine.dispose()
    return facts


def prepare_requests(case: Case, facts: Facts, tag_of: Callable[[Request], str]) -> list[Request]:
    """Return the requests of a case; `tag_of` requests the ETag of a response."""
    requests = case.requests(facts)
    if not case.revalidates:
        return requests
    return [request._replace(headers=(("If-None-Match", tag_of(request)),)) for request in requests]


def cycle_requests(case: Case, requests: list[Request], path: str | None = None) -> Iterator[bytes]:
    """Cycle through the bytes of the requests."""
    wires = itertools.cycle([request.wire(path) for request in requests])
    if not case.creates:
        return wires
    return map(make_unique, wires)


def make_unique(text: bytes) -> bytes:
    """Replace the placeholder by a number of as many digits, so that Content-Length stays correct."""
    return text.replace(b"slug-to-be-made-unique", b"draft-%016d" % next(_NUMBERS))

"""What is measured: each case asks the API for something that front ends and editors ask for."""

import itertools
import json
import random
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
from app.publication.tables import Section, Tag
from bench.discussion import tokens
from bench.seed import WORDS, Store, draft

PAGE = 20
DEPTH = 25  # the deep page is number articles / 25: page 80 of 2,000, page 4,000 of 100,000
SAMPLE = 2000  # different articles that are asked for in turn
KNOWN = 200  # different articles whose ETags the client holds
DEEP = 500  # the deep page of comments
DRAFTS = 50  # different texts that are sent in turn
_NUMBERS = itertools.count()


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def wire(self, path: str | None = None) -> bytes:
        """The bytes to send, to another path if that is said."""
        lines = [f"{self.method} {path or self.path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Facts(NamedTuple):
    """What the cases must know of a store."""

    key: str
    slugs: list[str]
    cursor: str  # of the deep page
    common: str  # the most used tag
    rare: str  # the least used tag that still fills a page
    section: str  # the smallest one
    discussed: str  # slug of the article with the long discussion
    comment: str  # id of the comment there with the most replies
    pages: dict[str, str]  # cursors of the 500th page of its threads, by sort


@dataclass(frozen=True)
class Case:
    """Something to ask for; `statements` is how many a read may take, None for a write."""

    name: str
    requests: Callable[[Facts], list[Request]] = field(repr=False)
    statements: int | None = 1
    status: int = 200
    connections: int = 8
    revalidates: bool = False  # each request carries the ETag of its own answer
    creates: bool = False  # each request makes something with a slug of its own


def _get(path: str, **headers: str) -> Request:
    return Request("GET", path, tuple((name.replace("_", "-"), value) for name, value in headers.items()))


def _list(query: str) -> Callable[[Facts], list[Request]]:
    """A page of articles; `query` may name facts in braces."""
    return lambda facts: [_get(f"/v1/articles?limit={PAGE}{query.format_map(facts._asdict())}")]


def _articles(facts: Facts, query: str = "", **headers: str) -> list[Request]:
    return [_get(f"/v1/articles/{slug}{query}", **headers) for slug in facts.slugs]


def _searches(_facts: Facts) -> list[Request]:
    """Questions of two words that nearly every article has: the worst there are."""
    rng = random.Random(KNOWN)
    return [_get(f"/v1/search?q={'+'.join(rng.sample(WORDS, 2))}") for _ in range(KNOWN)]


def _feed(path: str) -> Callable[[Facts], list[Request]]:
    """A feed; `path` may name facts in braces."""
    return lambda facts: [_get(f"/feeds/{path.format_map(facts._asdict())}")]


def _drafts(facts: Facts) -> list[Request]:
    rng = random.Random(DRAFTS)
    headers = (("Authorization", f"Bearer {facts.key}"),)
    return [Request("POST", "/v1/articles", headers, draft(rng, "slug-to-be-made-unique")) for _ in range(DRAFTS)]


def _comments(query: str) -> Callable[[Facts], list[Request]]:
    """A page of the long discussion."""
    return lambda facts: [_get(f"/v1/articles/{facts.discussed}/comments?limit={PAGE}{query}")]


def _deep(sort: str) -> Callable[[Facts], list[Request]]:
    return lambda facts: _comments(f"&sort={sort}&cursor={facts.pages[sort]}")(facts)


def _posts(facts: Facts) -> list[Request]:
    """Comments of many guests on many articles."""
    body = json.dumps({"text": "I have crossed it every day. slug-to-be-made-unique"}).encode()
    headers = itertools.cycle([(("Authorization", f"Bearer {token}"),) for token in tokens()])
    return [Request("POST", f"/v1/articles/{slug}/comments", next(headers), body) for slug in facts.slugs]


def _posts_to_one(facts: Facts) -> list[Request]:
    path = f"/v1/articles/{facts.discussed}/comments"
    return [request._replace(path=path) for request in _posts(facts)]


CASES = [
    Case("article", _articles),
    Case("list", _list("")),
    Case("list fields", _list("&fields=id,title,slug")),
    Case("list deep", _list("&cursor={cursor}")),
    Case("list common tag", _list("&tag={common}")),
    Case("list rare tag", _list("&tag={rare}")),
    Case("list section", _list("&section={section}")),
    # An empty page, as a small store may have here, also resolves what its filters name.
    Case("list tag+section", _list("&tag={common}&section={section}"), statements=3),
    Case("list of feed", lambda _: [_get("/v1/articles?limit=50&formats=html")]),
    *(Case(f"feed {form}", _feed(f"site.{form}"), statements=2) for form in ("rss", "atom", "json")),
    Case("feed rare tag", _feed("tags/{rare}.rss"), statements=2),
    Case("feed comments", _feed("articles/{discussed}/comments.atom"), statements=4),
    Case("article jsonld", lambda facts: _articles(facts, ".jsonld")),
    Case("article ninjs", lambda facts: _articles(facts, ".ninjs")),
    Case("article neighbours", lambda facts: _articles(facts, "?include=neighbours"), statements=2),
    Case("article 304", lambda facts: _articles(facts)[:KNOWN], status=304, revalidates=True),
    Case("article zstd", lambda facts: _articles(facts, accept_encoding="zstd")),
    Case("search two words", _searches, statements=7),
    Case("search phrase", lambda _: [_get("/v1/search?q=%22council+budget%22")], statements=7),
    Case("search for nothing", lambda _: [_get("/v1/search?q=council+kingfisher")], statements=7),
    Case("list q", _list("&q=council+river"), statements=7),
    Case("list discussed", _list("&sort=-discussed_7d")),
    Case("front", lambda _: [_get("/v1/fronts/home")], statements=4),
    Case("draft create", _drafts, statements=None, status=201, connections=16, creates=True),
    *(Case(f"comments {sort}", _comments(f"&sort={sort}"), statements=3) for sort in SORT_COLUMNS),
    *(Case(f"comments {sort} deep", _deep(sort), statements=3) for sort in SORT_COLUMNS),
    Case("comments all", _comments("&view=all"), statements=2),
    Case("comment replies", lambda facts: [_get(f"/v1/comments/{facts.comment}/replies")], statements=3),
    Case("comment post", _posts, statements=None, status=201, connections=64, creates=True),
    Case("comment post to one", _posts_to_one, statements=None, status=201, connections=64, creates=True),
]


def _page(connection: sa.Connection, article_id: str, sort: str) -> str:
    """The cursor of the deep page of the discussion's threads."""
    comment, order = table_of(Comment), COMMENT_SORTS[sort]
    column = comment.c[SORT_COLUMNS[sort]]
    top = sa.select(column.label("key"), comment.c.id).where(comment.c.under_id == article_id)
    top = top.order_by(*order.order_by(column, comment.c.id)).limit(1).offset((DEEP - 1) * PAGE - 1)
    row = connection.execute(top).one()
    return quote(order.bound_to(CommentQuery(sort=sort), article_id).encode(row.key, row.id))


def look(store: Store) -> Facts:
    """Find in a store what the cases need."""
    article, tag, section = table_of(Article), table_of(Tag), table_of(Section)
    comment = table_of(Comment)
    newest = sa.select(article.c.listed_at, article.c.id).where(article.c.listed)
    newest = newest.order_by(article.c.listed_at.desc(), article.c.id.desc())
    page = store.articles // DEPTH
    used, full = tag.c.articles, tag.c.articles > PAGE
    db = open_database(store.url)
    with db.connect() as connection:

        def first(query: sa.Select[Any]) -> str:
            return str(connection.execute(query.limit(1)).scalar_one())

        before = connection.execute(newest.offset((page - 1) * PAGE - 1).limit(1)).one()
        discussed = sa.select(article.c.slug, article.c.id).join(comment, comment.c.article_id == article.c.id).limit(1)
        slug, article_id = connection.execute(discussed).one()
        slugs = sorted(connection.execute(sa.select(article.c.slug).where(article.c.public)).scalars())
        facts = Facts(
            key=store.key,
            slugs=random.Random(SAMPLE).sample(slugs, min(SAMPLE, len(slugs))),
            cursor=quote(SORTS["-published_at"].bound_to(ListQuery()).encode(before.listed_at, before.id)),
            common=first(sa.select(tag.c.slug).order_by(used.desc(), tag.c.id)),
            rare=first(sa.select(tag.c.slug).where(full).order_by(used, tag.c.id)),
            section=first(sa.select(section.c.slug).order_by(section.c.articles, section.c.id)),
            discussed=slug,
            comment=first(sa.select(comment.c.id).order_by(comment.c.replies.desc(), comment.c.id)),
            pages={sort: _page(connection, article_id, sort) for sort in SORT_COLUMNS},
        )
    for engine in db.engines():
        engine.dispose()
    return facts


def prepared(case: Case, facts: Facts, tag_of: Callable[[Request], str]) -> list[Request]:
    """The requests of a case; `tag_of` asks for the ETag of an answer."""
    requests = case.requests(facts)
    if not case.revalidates:
        return requests
    return [request._replace(headers=(("If-None-Match", tag_of(request)),)) for request in requests]


def endless(case: Case, requests: list[Request], path: str | None = None) -> Iterator[bytes]:
    """The bytes of the requests in turn, for ever."""
    wires = itertools.cycle([request.wire(path) for request in requests])
    if not case.creates:
        return wires
    # The number has as many digits as what it replaces has letters, so that Content-Length stays true.
    return (wire.replace(b"slug-to-be-made-unique", b"draft-%016d" % next(_NUMBERS)) for wire in wires)

"""Finished JSON of articles: what is added to it, limited to a partner's level and selected."""

import json
from collections.abc import Iterator, Sequence
from typing import ForwardRef, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from starlette.testclient import TestClient

from app.articles.includes import render_neighbours
from app.articles.rendering import (
    AccessRecord,
    RenderedArticle,
    find_cached,
    render_articles,
    render_page,
    splice_array,
    splice_object,
)
from app.core.ids import new_id
from app.core.problems import NotFound
from app.core.settings import Settings
from app.db import Database
from app.identity.schemas import ANONYMOUS, Actor, Grant
from app.publication.site import Site
from app.web.paging import PageInfo
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
PARTNER = Actor("key", new_id(), "A partner", (Grant(frozenset({"syndicate"})),))


class Log:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.records: list[AccessRecord] = []

    def note(self, key_id: str, records: Sequence[AccessRecord]) -> None:
        assert key_id == PARTNER.id
        self.records += records


def article(level: str, **members: object) -> RenderedArticle:
    """An article with a syndication level."""
    value = {"id": new_id(), "revision": 2, "dek": "Dek", "body": {"text": "Text"}, "rights": {"syndication": level}}
    return RenderedArticle(json.dumps({**value, **members}).encode(), (str(value["id"]),), 7)


def test_json_is_spliced_as_it_would_be_written() -> None:
    parts = {"list": splice_array([b"1", b"{}"]), "none": splice_array([])}
    assert splice_object({"a": "“ä”"}, parts) == '{"a":"“ä”","list":[1,{}],"none":[]}'.encode()
    assert splice_object({}, {"null": b"null"}) == b'{"null":null}'
    assert splice_object({}, {}) == b"{}"


def test_parts_bring_their_cache_groups() -> None:
    rendered = RenderedArticle(b'{"id":"x"}', ("x",), 3)
    assert rendered.include({}) is rendered
    part = RenderedArticle(b"null", groups=("articles", "publication"))
    more = rendered.add_members({"score": 1}).include({"related": part, "comments": part})
    assert more.json == b'{"id":"x","score":1,"related":null,"comments":null}'
    assert more.version == 3
    assert list(more.cache_groups(counts=False)) == ["article:x", "publication", "articles"]
    assert "counts:x" in more.cache_groups(counts=True)


def test_a_partner_gets_what_the_level_allows() -> None:
    log = Log()
    public = article("none")
    assert public.limit_to(ANONYMOUS, log) is public
    assert not log.records
    limited = article("headline").limit_to(PARTNER, log)
    assert limited.parse().keys() == {"id", "revision", "dek", "rights"}
    assert limited.parse()["dek"] is None
    assert log.records == [AccessRecord(limited.ids[0], 2, "headline")]
    with pytest.raises(NotFound, match="gone"):
        article("none").limit_to(PARTNER, log, "gone")
    nested = article("full", related=[{"article": article("none").parse()}, {"article": article("full").parse()}])
    assert nested.limit_to(ANONYMOUS, log).json.count(b'"article"') == 2
    assert nested.limit_to(PARTNER, log).json.count(b'"article"') == 1


def test_a_page_holds_what_is_selected_and_allowed() -> None:
    articles = [article("full", title="One"), article("none", title="Two")]
    info: PageInfo = {"next": None, "prev": None, "limit": 2, "total": None}
    page = render_page(articles, info, {"title": True}, PARTNER, Log())
    assert json.loads(page) == {"data": [{"title": "One"}], "page": info}


def test_an_article_knows_its_version_and_neighbours(
    client: TestClient, editor: Headers, db: Database, settings: Settings
) -> None:
    first, second = (make.published(client, editor, title) for title in ("First", "Second"))
    site = Site.from_settings(settings)
    with db.connect() as connection:
        row = find_cached(connection, "second", site, ("text",))
        assert row is not None
        (rendered,) = render_articles(connection, [row], site, ("text",))
        neighbours = render_neighbours(connection, row, site)
    assert rendered == RenderedArticle(rendered.json, (second["id"],), row["version"], counts=rendered.counts)
    assert rendered.counts is not None
    assert json.loads(b"{" + rendered.json[rendered.counts].strip(b",") + b"}").keys() == {"discussion", "reactions"}
    assert make.ok(client.get("/v1/articles/second?formats=text")) == rendered.parse()
    assert neighbours.ids == (first["id"],)
    assert neighbours.select({"previous": {"title": True}}).json == b'{"previous":{"title":"First"}}'


def _models(model: type[BaseModel] = BaseModel) -> Iterator[type[BaseModel]]:
    for inner in model.__subclasses__():
        yield inner
        yield from _models(inner)


def _names_later_class(annotation: object, own: str) -> bool:
    """Whether it names a class that is not there yet, other than the one that it is part of."""
    if get_origin(annotation) is Literal:
        return False
    if isinstance(annotation, str | ForwardRef):
        return getattr(annotation, "__forward_arg__", annotation) != own
    return any(_names_later_class(argument, own) for argument in get_args(annotation))


def test_models_name_only_classes_that_are_defined() -> None:
    """`fields` walks through models, which lack what they name ahead until something is first validated by them."""
    ahead = {
        f"{model.__name__}.{name}"
        for model in _models()
        if model.__module__.startswith("app.")
        for name, annotation in vars(model).get("__annotations__", {}).items()
        if _names_later_class(annotation, model.__name__)
    }
    assert ahead == {"RepliesOut.data"}, "define a model below those that it names; this one is rebuilt"

"""A slug that a section, tag, author or series had before leads on to the one it has now."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from app.db import Database
from app.identity.schemas import ANONYMOUS
from app.publication.references import Reference, resolve_references
from app.subscriptions.opt_ins import resolve_target
from app.subscriptions.schemas import SubscriptionIn
from tests.make import draft, ok, published

pytestmark = pytest.mark.portable

Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]
KINDS = {"sections": "section", "tags": "tag", "authors": "author", "series": "series"}
kinds = pytest.mark.parametrize("plural", KINDS)


def _rename(send: Send, plural: str, old: str, new: str) -> None:
    assert send("PATCH", f"/v1/{plural}/{old}", {"slug": new}).status_code == 200


def _location(client: TestClient, path: str) -> str:
    answer = client.get(path, follow_redirects=False)
    assert answer.status_code == 301, answer.text
    return str(answer.headers["location"])


@kinds
def test_an_old_address_leads_on(plural: str, client: TestClient, make: Make, send: Send) -> None:
    made = make(plural, name="Opinion")
    _rename(send, plural, "opinion", "views")
    _rename(send, plural, "views", "köpfe")
    for old in ("opinion", "views"):
        assert _location(client, f"/v1/{plural}/{old}?fields=id") == f"/v1/{plural}/k%C3%B6pfe?fields=id"
        assert client.get(f"/v1/{plural}/{old}?fields=id").json() == {"id": made["id"]}
    answer = client.get(f"/v1/{plural}/opinion", follow_redirects=False)
    assert {plural, f"{KINDS[plural]}:{made['id']}"} <= set(answer.headers["surrogate-key"].split())
    assert answer.headers["cache-control"].startswith("public")
    assert client.get(f"/v1/{plural}/never").status_code == 404


@kinds
def test_who_takes_a_slug_anew_has_it(plural: str, client: TestClient, make: Make, send: Send) -> None:
    first = make(plural, name="Opinion")
    _rename(send, plural, "opinion", "views")
    second = make(plural, name="Opinion!")
    assert second["slug"] == "opinion"
    assert client.get(f"/v1/{plural}/opinion", follow_redirects=False).json()["id"] == second["id"]
    third = make(plural, name="Third")
    _rename(send, plural, "opinion", "other")
    _rename(send, plural, "third", "opinion")
    assert client.get(f"/v1/{plural}/opinion", follow_redirects=False).json()["id"] == third["id"]
    assert client.get(f"/v1/{plural}/views").json()["id"] == first["id"]


@kinds
def test_what_goes_back_to_its_slug_is_there(plural: str, client: TestClient, make: Make, send: Send) -> None:
    make(plural, name="Opinion")
    _rename(send, plural, "opinion", "views")
    _rename(send, plural, "views", "opinion")
    assert client.get(f"/v1/{plural}/opinion", follow_redirects=False).status_code == 200
    assert _location(client, f"/v1/{plural}/views") == f"/v1/{plural}/opinion"


@kinds
def test_writes_follow_an_old_slug(plural: str, client: TestClient, make: Make, send: Send) -> None:
    made = make(plural, name="Opinion")
    _rename(send, plural, "opinion", "views")
    changed = send("PATCH", f"/v1/{plural}/opinion", {"name": "Views"})
    assert (changed.json()["id"], changed.json()["slug"], changed.json()["name"]) == (made["id"], "views", "Views")
    taken = make(plural, name="Opinion")
    assert send("PATCH", f"/v1/{plural}/opinion", {"name": "Taken"}).json()["id"] == taken["id"]
    assert send("DELETE", f"/v1/{plural}/opinion").status_code == 204
    assert send("PATCH", f"/v1/{plural}/opinion", {"name": "Gone"}).status_code == 404
    _rename(send, plural, "views", "opinions")
    assert send("DELETE", f"/v1/{plural}/views").status_code == 204
    assert client.get(f"/v1/{plural}/{made['id']}").status_code == 404


@kinds
def test_nothing_leads_to_what_is_deleted(plural: str, client: TestClient, make: Make, send: Send) -> None:
    make(plural, name="Opinion")
    _rename(send, plural, "opinion", "views")
    assert send("DELETE", f"/v1/{plural}/views").status_code == 204
    assert client.get(f"/v1/{plural}/opinion", follow_redirects=False).status_code == 404


@pytest.mark.parametrize("plural", ["sections", "tags", "authors"])
@pytest.mark.parametrize("form", ["rss", "atom", "json"])
def test_feeds_lead_on(plural: str, form: str, client: TestClient, make: Make, send: Send) -> None:
    make(plural, name="Opinion")
    _rename(send, plural, "opinion", "views")
    assert _location(client, f"/feeds/{plural}/opinion.{form}") == f"/feeds/{plural}/views.{form}"
    assert client.get(f"/feeds/{plural}/opinion.{form}").status_code == 200
    assert client.get(f"/feeds/{plural}/never.{form}").status_code == 404


def test_the_discussion_of_a_section_leads_on(client: TestClient, make: Make, send: Send) -> None:
    make("sections", name="Opinion")
    _rename(send, "sections", "opinion", "views")
    assert _location(client, "/v1/sections/opinion/discussion") == "/v1/sections/views/discussion"


def test_articles_are_filed_by_former_slugs(client: TestClient, make: Make, send: Send, editor: dict[str, str]) -> None:
    for plural in KINDS:
        make(plural, name="Old")
        _rename(send, plural, "old", f"new-{plural}")
    article = draft(client, editor, section="old", tags=["old"], authors=["old"], series="old")
    assert article["section"]["slug"] == "new-sections"
    assert [tag["slug"] for tag in article["tags"]] == ["new-tags"]
    assert [author["slug"] for author in article["authors"]] == ["new-authors"]
    assert article["series"]["slug"] == "new-series"


def test_many_references_are_resolved_in_one_statement(
    client: TestClient, make: Make, send: Send, db: Database
) -> None:
    made = {plural: make(plural, name="Old") for plural in KINDS}
    inner = make("sections", name="Inner", parent="old")
    for plural in KINDS:
        _rename(send, plural, "old", "new")
    ids = {kind: made[plural]["id"] for plural, kind in KINDS.items()}
    refs: dict[Any, list[str]] = {kind: ["old", "new", ids[kind], "No slug", "never", inner["id"]] for kind in ids}
    with db.connect() as connection:
        found = resolve_references(connection, refs)
        assert resolve_references(connection, {"tag": ["No slug"]}) == {}
    for kind, own in ids.items():
        inside = tuple(sorted([own, inner["id"]])) if kind == "section" else (own,)
        for ref in ("new", own):
            assert found.pop((kind, ref)) == Reference(own, "new", False, inside)  # type: ignore[call-overload]
        assert found.pop((kind, "old")) == Reference(own, "new", True, inside)  # type: ignore[call-overload]
    assert found == {("section", inner["id"]): Reference(inner["id"], "inner", False, (inner["id"],))}


def test_pages_are_not_counted(client: TestClient, make: Make, editor: dict[str, str]) -> None:
    for plural in KINDS:
        make(plural, name="About")
    under: dict[str, Any] = {"section": "about", "tags": ["about"], "authors": ["about"], "series": "about"}
    published(client, editor, "Imprint", type="page", **under)
    published(client, editor, "News", **under)
    for plural in KINDS:
        assert ok(client.get(f"/v1/{plural}/about"))["articles"] == 1


def test_notices_and_subscriptions_follow_former_slugs(
    client: TestClient, make: Make, send: Send, db: Database
) -> None:
    made = make("sections", name="Opinion")
    _rename(send, "sections", "opinion", "views")
    stands = make("notices", scope="section", target_id="opinion", placement="before", text="Mind")
    assert stands["target_id"] == made["id"]
    asked = SubscriptionIn.model_validate(
        {"email": "a@reader.example", "kind": "articles.new", "target": {"type": "section", "slug": "opinion"}}
    )
    with db.connect() as connection:
        assert resolve_target(connection, ANONYMOUS, asked) == (f"section:{made['id']}", None)

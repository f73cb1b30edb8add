"""The rules that sections, tags, authors and series share."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from httpx2 import Response
from sqlmodel import Session
from starlette.testclient import TestClient

from app.core.problems import Invalid
from app.db import Database
from app.db.columns import table_of
from app.events.log import read_after
from app.events.schemas import START
from app.identity.schemas import SYSTEM
from app.identity.tables import Audit
from app.publication import media_library as media
from app.publication import terms
from app.publication.media_uses import AUTHOR_USES, MediaUses
from app.publication.schemas import SectionIn
from app.publication.tables import Tag, Term
from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES, TAGS

pytestmark = pytest.mark.portable

Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]
Impatient = Callable[[], AbstractContextManager[Session]]
KINDS = ["sections", "tags", "authors", "series"]
SINGULAR = {"sections": "section", "tags": "tag", "authors": "author", "series": "series"}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_one_is_made_and_read_by_id_and_by_slug(kind: str, client: TestClient, send: Send) -> None:
    answer = send("POST", f"/v1/{kind}", {"name": "  Café  Ünder den Linden "})
    made = answer.json()
    assert answer.status_code == 201
    assert (made["name"], made["slug"], made["articles"]) == ("Café Ünder den Linden", "cafe-under-den-linden", 0)
    assert answer.headers["location"] == f"/v1/{kind}/{made['id']}"
    for ref in (made["id"], made["slug"]):
        shown = client.get(f"/v1/{kind}/{ref}")
        assert shown.status_code == 200
        assert shown.json() == made
        assert shown.headers["etag"] == answer.headers["etag"]


@kinds
def test_answers_are_public_and_name_what_makes_them_stale(kind: str, client: TestClient, make: Make) -> None:
    made = make(kind, name="One")
    single, listed = client.get(f"/v1/{kind}/one"), client.get(f"/v1/{kind}")
    assert f"{SINGULAR[kind]}:{made['id']}" in single.headers["surrogate-key"].split()
    assert kind in listed.headers["surrogate-key"].split()
    assert "articles" in listed.headers["surrogate-key"].split()
    for answer in (single, listed):
        assert answer.headers["cache-control"].startswith("public")
        again = client.get(str(answer.url), headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304


@kinds
def test_lists_go_by_name_or_by_number_of_articles(kind: str, client: TestClient, make: Make, db: Database) -> None:
    for name in ("Bee", "Ant", "Cow"):
        make(kind, name=name)
    table = sa.table(SINGULAR[kind], sa.column("slug"), sa.column("articles"))
    with db.transaction() as session:
        session.execute(sa.update(table).where(table.c.slug == "cow").values(articles=2))
    assert _walk(client, f"/v1/{kind}?limit=1") == ["ant", "bee", "cow"]
    assert _walk(client, f"/v1/{kind}?limit=2&sort=-articles") == ["cow", "ant", "bee"]  # ties: newest first
    assert client.get(f"/v1/{kind}?count=exact&limit=1").json()["page"]["total"] == 3
    assert client.get(f"/v1/{kind}?limit=1&fields=slug").json()["data"] == [{"slug": "ant"}]


def _walk(client: TestClient, path: str) -> list[str]:
    slugs: list[str] = []
    cursor = ""
    while True:
        page = client.get(path + cursor).json()
        slugs += [row["slug"] for row in page["data"]]
        if page["page"]["next"] is None:
            return slugs
        cursor = f"&cursor={page['page']['next']}"


@kinds
@pytest.mark.parametrize("query", ["sort=slug", "sort=-name", "q=x", "fields=version", "limit=101"])
def test_what_a_list_does_not_know_is_a_400(kind: str, query: str, client: TestClient) -> None:
    assert client.get(f"/v1/{kind}?{query}").status_code == 400


@kinds
def test_a_made_slug_is_numbered_and_a_given_one_is_not(kind: str, make: Make, send: Send) -> None:
    assert [make(kind, name=name)["slug"] for name in ("C", "C++", "C#")] == ["c", "c-2", "c-3"]
    answer = send("POST", f"/v1/{kind}", {"name": "Other", "slug": "c-2"})
    assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")
    assert make(kind, name="Other", slug="other-one")["slug"] == "other-one"


@pytest.mark.parametrize("kind", ["sections", "tags", "series"])
@pytest.mark.parametrize("name", ["Old Ferry", "old  ferry", "OLD\u00a0FERRY", "\uff2fld Ferry", "Old\u200b Ferry"])
def test_a_name_that_another_one_has_leads_to_it(
    kind: str, name: str, client: TestClient, make: Make, send: Send
) -> None:
    made = make(kind, name="Old Ferry", slug="the-boat")
    make(kind, name="Old Ferr\u00e9")
    for body in ({"name": name}, {"name": name, "slug": "another"}):
        answer = send("POST", f"/v1/{kind}", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
        assert answer.json()["existing"] == {"id": made["id"], "slug": "the-boat", "name": "Old Ferry"}
        assert client.get(answer.headers["location"]).json()["id"] == made["id"]
    other = make(kind, name="Old Ferry?")
    renamed = send("PATCH", f"/v1/{kind}/{other['id']}", {"name": name})
    assert (renamed.status_code, renamed.json()["existing"]["id"]) == (409, made["id"])
    assert send("PATCH", f"/v1/{kind}/{made['id']}", {"name": name}).status_code == 200


def test_authors_may_share_a_name(make: Make) -> None:
    assert [make("authors", name="Ann Lee")["slug"] for _ in range(2)] == ["ann-lee", "ann-lee-2"]


def test_sections_share_a_name_only_inside_different_ones(make: Make, send: Send) -> None:
    for parent in ("North", "South"):
        make("sections", name=parent)
    make("sections", name="Sport", parent="north")
    other = make("sections", name="Sport", parent="south")
    assert send("POST", "/v1/sections", {"name": "SPORT", "parent": "north"}).json()["code"] == "name_taken"
    assert send("PATCH", f"/v1/sections/{other['id']}", {"parent": "north"}).json()["code"] == "name_taken"
    assert send("PATCH", f"/v1/sections/{other['id']}", {"parent": None}).status_code == 200


@pytest.mark.both
def test_many_at_once_make_one_of_a_name(make: Make, send: Send) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda name: send("POST", "/v1/tags", {"name": name}), ["Fog", "FOG", "fog"] * 2))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 5]


@kinds
def test_a_patch_changes_what_it_names(kind: str, client: TestClient, make: Make, send: Send) -> None:
    made = make(kind, name="One")
    changed = send("PATCH", f"/v1/{kind}/one", {"slug": "two", "name": "Two"})
    assert changed.status_code == 200
    expected = {**made, "slug": "two", "name": "Two", "updated_at": changed.json()["updated_at"]}
    expected["url"] = made["url"].removesuffix("one") + "two"
    if kind == "sections":
        expected["breadcrumbs"] = [{"name": "Two", "url": expected["url"]}]
    assert changed.json() == expected
    assert changed.json()["updated_at"] > made["updated_at"]
    assert client.get(f"/v1/{kind}/one", follow_redirects=False).status_code == 301
    assert client.get(f"/v1/{kind}/two").json() == changed.json()


@kinds
@pytest.mark.parametrize("body", [{"name": None}, {"slug": None}, {"name": ""}, {"articles": 3}, {"slug": "A b"}, []])
def test_a_patch_that_does_not_fit_is_refused(kind: str, body: Any, make: Make, send: Send) -> None:
    make(kind, name="One")
    assert send("PATCH", f"/v1/{kind}/one", body).status_code == 422


@kinds
def test_a_taken_slug_is_refused_in_a_patch_too(kind: str, make: Make, send: Send) -> None:
    make(kind, name="One")
    make(kind, name="Two")
    answer = send("PATCH", f"/v1/{kind}/one", {"slug": "two"})
    assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")
    assert send("PATCH", f"/v1/{kind}/one", {"slug": "one"}).status_code == 200


@kinds
def test_writes_name_the_version_that_they_replace(
    kind: str, client: TestClient, editor: dict[str, str], make: Make
) -> None:
    make(kind, name="One")
    path = f"/v1/{kind}/one"
    read = client.get(path).headers["etag"]
    assert client.patch(path, json={"name": "Two"}, headers=editor).status_code == 428
    assert client.delete(path, headers=editor).status_code == 428
    first = client.patch(path, json={"name": "Two"}, headers={**editor, "If-Match": read})
    assert first.status_code == 200
    stale = client.patch(path, json={"name": "Three"}, headers={**editor, "If-Match": read})
    assert (stale.status_code, stale.json()["current_version"], stale.json()["fields"]) == (412, 2, ["name"])
    make(kind, name="Taken")
    taken = client.patch(path, json={"slug": "taken"}, headers={**editor, "If-Match": read})
    assert (taken.status_code, taken.json()["fields"]) == (412, ["slug"])
    assert client.delete(path, headers={**editor, "If-Match": read}).status_code == 412
    assert client.delete(path, headers={**editor, "If-Match": first.headers["etag"]}).status_code == 204


@kinds
def test_changing_nothing_changes_no_version_and_states_no_fact(
    kind: str, make: Make, send: Send, client: TestClient, db: Database
) -> None:
    make(kind, name="One")
    before = client.get(f"/v1/{kind}/one").headers["etag"]
    answer = send("PATCH", f"/v1/{kind}/one", {"name": "One"})
    assert answer.headers["etag"] == before
    with db.connect() as connection:
        assert len(read_after(connection, START)) == 1


@kinds
def test_a_deleted_one_is_gone(kind: str, client: TestClient, make: Make, send: Send) -> None:
    made = make(kind, name="One")
    assert send("DELETE", f"/v1/{kind}/{made['id']}").status_code == 204
    for ref in ("one", made["id"]):
        assert client.get(f"/v1/{kind}/{ref}").status_code == 404
        assert send("PATCH", f"/v1/{kind}/{ref}", {"name": "Two"}).status_code == 404
        assert send("DELETE", f"/v1/{kind}/{ref}").status_code == 404


@kinds
def test_what_a_draft_stands_under_cannot_be_deleted(kind: str, make: Make, send: Send) -> None:
    make(kind, name="One")
    field: dict[str, Any] = {"sections": {"section": "one"}, "series": {"series": "one"}}.get(kind, {kind: ["one"]})
    article = make("articles", title="Draft", body={"html": "<p>x</p>"}, **field)
    answer = send("DELETE", f"/v1/{kind}/one")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert answer.json()["uses"] == {"articles": {"count": 1, "ids": [article["id"]]}}
    assert send("DELETE", f"/v1/articles/{article['id']}").status_code == 204
    assert send("DELETE", f"/v1/{kind}/one").status_code == 204


def test_what_uses_a_section_is_counted_by_kind_and_its_first_are_named(make: Make, send: Send) -> None:
    make("sections", name="One")
    inner = [make("sections", name=f"Inner {n}", parent="one")["id"] for n in range(2)]
    articles = [make("articles", title=f"A {n}", section="one", body={"html": "<p>x</p>"})["id"] for n in range(7)]
    answer = send("DELETE", "/v1/sections/one").json()
    assert answer["uses"] == {
        "articles": {"count": 7, "ids": sorted(articles)[:5]},
        "sections": {"count": 2, "ids": sorted(inner)},
    }
    assert "articles: 7" in answer["detail"]


@pytest.mark.parametrize("kind", ["sections", "authors", "series"])
def test_its_notices_go_with_it_and_no_others(kind: str, client: TestClient, make: Make, send: Send) -> None:
    for name in ("One", "Two"):
        make(kind, name=name)
        make("notices", scope=SINGULAR[kind], target_id=name.lower(), placement="before", text=name)
    make("notices", scope="site", placement="before", text="Site")
    assert send("DELETE", f"/v1/{kind}/one").status_code == 204
    assert sorted(row["text"] for row in send("GET", "/v1/notices").json()["data"]) == ["Site", "Two"]


@kinds
@pytest.mark.parametrize("ref", ["none", "0199aaaa-0000-7000-8000-000000000000", "%00", "A%20B", "x" * 300, "-"])
def test_what_is_not_there_is_a_404(kind: str, ref: str, client: TestClient, send: Send) -> None:
    assert client.get(f"/v1/{kind}/{ref}").status_code == 404
    assert send("DELETE", f"/v1/{kind}/{ref}").status_code == 404


@kinds
def test_writing_needs_the_scope_and_all_sections(
    kind: str, client: TestClient, make: Make, make_key: Callable[..., dict[str, str]]
) -> None:
    section = make("sections", name="Mine")
    make(kind, name="One")
    any_version = {"If-Match": "*"}
    limited = make_key("content:write", sections=[section["id"]])
    for headers, status in ({}, 401), (make_key("content:read"), 403), (limited, 403):
        assert client.post(f"/v1/{kind}", json={"name": "x"}, headers=headers).status_code == status
        changed = client.patch(f"/v1/{kind}/one", json={"name": "x"}, headers={**headers, **any_version})
        assert changed.status_code == status
        assert client.delete(f"/v1/{kind}/one", headers={**headers, **any_version}).status_code == status
    assert client.get(f"/v1/{kind}/one").json()["name"] == "One"


@kinds
def test_every_write_is_in_the_audit_log(kind: str, make: Make, send: Send, db: Database) -> None:
    made = make(kind, name="One")
    send("PATCH", f"/v1/{kind}/one", {"name": "Two"})
    send("DELETE", f"/v1/{kind}/one")
    audit = table_of(Audit)
    with db.connect() as connection:
        rows = connection.execute(
            sa.select(audit.c.action).where(audit.c.subject_id == made["id"]).order_by(audit.c.id)
        )
        singular = SINGULAR[kind]
        assert list(rows.scalars()) == [f"{singular}.create", f"{singular}.change", f"{singular}.delete"]


@pytest.mark.both
def test_many_at_once_with_one_name_get_a_slug_each(db: Database) -> None:
    def make(_number: int) -> None:
        with db.transaction() as session:
            SECTIONS.create(session, SYSTEM, SectionIn(name="Same"))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(make, range(8)))
    with db.connect() as connection:
        slugs = set(connection.execute(sa.text("SELECT slug FROM section")).scalars())
    assert slugs == {"same", *(f"same-{number}" for number in range(2, 9))}


@kinds
def test_required_ones_keep_their_order_without_repeats(kind: str, make: Make, db: Database) -> None:
    model: type[Term] = next(found for found in Term.__subclasses__() if found.__tablename__ == SINGULAR[kind])
    one, two = make(kind, name="One")["id"], make(kind, name="Two")["id"]
    with db.transaction() as session:
        assert terms.require_terms(session, model, ["two", one, "one", two], "/x") == [two, one]
        assert terms.require_terms(session, model, [], "/x") == []


def test_missing_ones_are_told_by_pointer(db: Database) -> None:
    with db.transaction() as session:
        for call, pointer in (
            (lambda: SECTIONS.require(session, "none", "/section"), "/section"),
            (lambda: SERIES.require(session, "none", "/series"), "/series"),
            (lambda: AUTHORS.require_all(session, ["none"]), "/authors"),
            (lambda: terms.require_terms(session, Tag, ["0199aaaa-0000-7000-8000-000000000000"], "/x"), "/x"),
        ):
            with pytest.raises(Invalid) as caught:
                call()
            assert [error["pointer"] for error in caught.value.errors] == [pointer]


def test_what_is_required_cannot_be_deleted_meanwhile(make: Make, db: Database, impatient: Impatient) -> None:
    make("sections", name="One")
    make("tags", name="One")
    with db.transaction() as session:
        media.create_reference(session, SYSTEM, "https://a.example/b.png")
        picture = str(session.execute(sa.text("SELECT id FROM media")).scalar_one())
    delete_media = partial(media.delete_media, uses=MediaUses((AUTHOR_USES,)))
    with db.transaction() as first:
        SECTIONS.require(first, "one", "/section")
        TAGS.require_all(first, SYSTEM, ["one"])
        media.require_media(first, picture)
        for delete, ref in (SECTIONS.delete, "one"), (TAGS.delete, "one"), (delete_media, picture):
            with pytest.raises(sa.exc.OperationalError), impatient() as second:
                delete(second, SYSTEM, ref, None)


@kinds
def test_a_forged_cursor_is_never_a_failure(kind: str, make: Make, client: TestClient) -> None:
    for name in ("One", "Two"):
        make(kind, name=name)
    given = client.get(f"/v1/{kind}?sort=-articles&limit=1").json()["page"]["next"]
    query, *_ = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
    forged = [query, "-articles", 2**62, "0199aaaa-0000-7000-8000-000000000000"]
    cursor = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
    assert client.get(f"/v1/{kind}?sort=-articles&cursor={cursor}").status_code == 200
    assert client.get(f"/v1/{kind}?sort=name&cursor={cursor}").status_code == 400


@pytest.mark.parametrize(
    ("html", "text", "expected"),
    [
        ("<p>a<script>b</script></p>", None, ("<p>a</p>", "a")),
        (None, "a < b\nc\n \n\n d ", ("<p>a &lt; b<br>c</p><p>d</p>", "a < b\nc\n\nd")),
        (None, " \n ", ("", "")),
        ("", None, ("", "")),
    ],
)
def test_a_note_is_html_and_text_from_either(html: str | None, text: str | None, expected: tuple[str, str]) -> None:
    assert terms.render_note(html, text) == expected


@pytest.mark.parametrize(
    ("html", "text", "pointer"), [("a", "a", "/html"), (None, None, "/html"), ("<b>" * 200, None, "/html")]
)
def test_a_note_that_cannot_be_taken_is_told_by_pointer(html: str | None, text: str | None, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        terms.render_note(html, text)
    assert caught.value.errors[0]["pointer"] == pointer

"""Redirects: exact ones and those of all paths below, without circles; many of them at once; one hop to their end."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.db import Database
from app.site.resolving import resolve_address
from tests import make
from tests.effort import effort

pytestmark = pytest.mark.portable

Headers = dict[str, str]
SITE = "https://site.example"
TABLE_SCAN = re.compile(r"SCAN (article|section|tag|author|series|front|redirect|address|former_slug|site_profile)\b")


def redirect(client: TestClient, editor: Headers, source: str, target: str | None, status: int = 301) -> Any:
    """A new redirect."""
    body = {"source": source, "target": target, "status": status}
    return make.ok(client.post("/v1/redirects", json=body, headers=editor), 201)


def resolve(client: TestClient, path: str) -> tuple[int, str | None]:
    """What the site should answer at a path: the status, and the location if it is another one."""
    resolved = make.ok(client.get(f"/v1/resolve?path={quote(path, safe='')}"))
    return resolved["status"], resolved.get("location", "").removeprefix(SITE) or None


def import_csv(client: TestClient, editor: Headers, text: str) -> Any:
    """The answer to an import."""
    return client.post("/v1/redirects/import", content=text.encode(), headers={**editor, "Content-Type": "text/csv"})


def test_redirects_lead_to_their_end(client: TestClient, editor: Headers) -> None:
    make.section(client, editor, "World")
    fog = make.published(client, editor, "Fog", section="world", slug="fog")
    for source, target, status in (
        ("/old", "/older", 301),
        ("/older?id=3", "/world/fog#end", 302),
        ("/older", "/world/fog?from=old#end", 301),
        ("/blog/*", "/world/*", 301),
        ("/blog/special", "https://elsewhere.example/x", 302),
        ("/shop", None, 410),
        ("/contact-us/", "/contact", 301),
        (f"{SITE}/caf%C3%A9", "/world", 301),
        ("//doubled", "/world", 301),
        ("/moved/*", "/*", 301),
    ):
        redirect(client, editor, source, target, status)
    make.patched(client, editor, fog, slug="mist")
    found = "/world/mist"
    assert resolve(client, "/old") == (301, f"{found}?from=old#end")
    assert resolve(client, "/older/?id=3") == (302, f"{found}#end")
    assert resolve(client, "/older?id=4") == (301, f"{found}?from=old#end")
    assert resolve(client, "/blog/fog") == (301, found)
    assert resolve(client, "/blog/2019/fog") == (301, found)
    assert resolve(client, "/blog/special") == (302, "https://elsewhere.example/x")
    assert resolve(client, "/shop") == (410, None)
    assert resolve(client, "/contact-us") == (301, "/contact")
    assert resolve(client, "/café") == (301, "/world")
    assert resolve(client, "//doubled") == resolve(client, f"{SITE}//doubled/") == (301, "/world")
    for path in "/moved//elsewhere.example", "/moved///elsewhere.example", "/moved/%2F/elsewhere.example":
        assert resolve(client, path) == (301, "/elsewhere.example"), "a path, and no other host"
    for source in "/world/fog", found:
        redirect(client, editor, source, "/elsewhere")
    assert resolve(client, "/world/fog") == (301, "/elsewhere")  # goes before a former slug,
    assert resolve(client, found) == (200, None)  # but not before what stands there


@pytest.mark.parametrize(
    ("source", "target", "status", "code"),
    [
        ("/b", "/a", 301, "loop"),
        ("/c", "/c/", 301, "loop"),
        ("/x/*", "/x/y/*", 301, "loop"),
        ("/y/*", "/z/*", 301, "loop"),
        ("/z", "/new/*", 301, "invalid"),
        ("/z", None, 301, "one_of"),
        ("/z", "/new", 410, "one_of"),
        ("/z", "//evil.example", 301, "invalid"),
        ("/z", "javascript:alert(1)", 301, "invalid"),
        ("https://other.example/z", "/new", 301, "invalid"),
        ("/a*b", "/new", 301, "invalid"),
        ("z", "/new", 301, "invalid"),
    ],
)
def test_what_cannot_work_is_refused(
    client: TestClient, editor: Headers, source: str, target: str | None, status: int, code: str
) -> None:
    for known in ("/a", "/b"), ("/z/*", "/y/*"):
        redirect(client, editor, *known)
    body = {"source": source, "target": target, "status": status}
    refused = make.ok(client.post("/v1/redirects", json=body, headers=editor), 422)
    assert refused["errors"][0]["code"] == code


def test_a_redirect_is_changed_and_deleted(client: TestClient, editor: Headers) -> None:
    made, other = redirect(client, editor, "/a", "/b"), redirect(client, editor, "/b", "/c")
    url, headers = f"/v1/redirects/{other['id']}", {**editor, "If-Match": "*"}
    assert make.ok(client.patch(url, json={"target": "/a"}, headers=headers), 422)["errors"][0]["code"] == "loop"
    assert client.patch(url, json={"source": "/a"}, headers=headers).json()["code"] == "source_taken"
    assert client.post("/v1/redirects", json={"source": "/a", "target": "/x"}, headers=editor).status_code == 409
    changed = make.ok(client.patch(url, json={"target": None, "status": 410}, headers=headers))
    assert (changed["source"], changed["target"], changed["status"]) == ("/b", None, 410)
    assert resolve(client, "/a") == (410, None)
    assert [row["source"] for row in make.ok(client.get("/v1/redirects?q=/a", headers=editor))["data"]] == ["/a"]
    assert client.delete(f"/v1/redirects/{made['id']}", headers=headers).status_code == 204
    assert client.get("/v1/resolve?path=/a").status_code == 404
    assert make.ok(client.get("/v1/changes?types=redirects"))["data"][-1]["op"] == "upsert"


@pytest.mark.long
def test_thousands_end_at_200_in_one_hop(client: TestClient, editor: Headers, db: Database) -> None:
    number = effort("REDIRECTS", 200, long=2000)
    chained = number // 20
    slugs = [make.published(client, editor, f"Piece {n}")["slug"] for n in range(3)]
    lines = [f"/archive/{n}.html,/{slugs[n % 3]}" for n in range(number - chained)]
    lines += [f"/chain/{n},/archive/{n}.html,302" for n in range(chained)]
    counts = make.ok(import_csv(client, editor, "\r\n".join(["source,target,status", *lines])))
    assert counts == {"created": number, "changed": 0, "unchanged": 0}
    site = client.app.state.services.site  # type: ignore[attr-defined]
    with db.connect() as connection:
        for line in lines:
            source, _, *status = line.split(",")
            resolved = resolve_address(connection, source, site)
            assert (resolved.status, resolved.reason) == (int(*status or [301]), None)
            assert resolve_address(connection, str(resolved.location), site).status == 200
    exported = client.get("/v1/redirects.csv", headers=editor)
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(exported.text.splitlines()) == number + 1
    assert make.ok(import_csv(client, editor, exported.text)) == {"created": 0, "changed": 0, "unchanged": number}


def test_an_import_is_all_or_nothing(client: TestClient, editor: Headers, make_key: Callable[..., Headers]) -> None:
    wrong = make.ok(import_csv(client, editor, "/a,/b\n/c,/d,307\nx,/y\n/a,/e\n"), 422)
    assert [error["pointer"] for error in wrong["errors"]] == ["/2", "/3", "/4"]
    assert make.ok(import_csv(client, editor, "/a,/b\n/b,/a\n"), 422)["errors"][0]["code"] == "loop"
    assert import_csv(client, editor, '"').status_code == 422
    assert client.post("/v1/redirects/import", json={}, headers=editor).status_code == 415
    assert make.ok(client.get("/v1/redirects", headers=editor))["data"] == []
    assert import_csv(client, make_key("content:write"), "/a,/b").status_code == 403
    assert make.ok(import_csv(client, editor, "/gone\n"))["created"] == 1
    assert resolve(client, "/gone") == (410, None)


def test_an_address_is_read_by_one_indexed_statement(client: TestClient, editor: Headers, db: Database) -> None:
    make.section(client, editor, "World")
    make.published(client, editor, "Fog", section="world")
    statements: list[str] = []
    engine = client.app.state.services.database.engines()[0]  # type: ignore[attr-defined]
    sa.event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert make.ok(client.get("/v1/resolve?path=/world/fog&formats=html&fields=article.title,article.body"))
    reads = [statement for statement in statements if "redirect" in statement]
    assert len(reads) == 1
    if db.dialect == "sqlite":
        with db.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {reads[0]}", ("[]",) * reads[0].count("?")).all()
        assert [row[3] for row in plan if TABLE_SCAN.match(row[3])] == []

"""What partners may have of articles, how often, before others, and how it is remembered."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.articles.rendering import AccessRecord
from app.core.settings import Settings
from app.db import Database
from app.identity import keys
from app.identity.schemas import SYSTEM
from app.main import create_app
from app.partners import partners
from app.partners.partners import FETCH, PartnerAccessLog
from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
FAR = {"embargoed_until": "2999-01-01T00:00:00Z"}


class Partner:
    """A key with the scope `syndicate`."""

    def __init__(self, db: Database, **quotas: int) -> None:
        with db.transaction() as session:
            self.id, key = keys.create_api_key(session, SYSTEM, "The Mirror", ["syndicate"], **quotas)
        self.headers = {"Authorization": f"Bearer {key}"}


def flush(client: TestClient) -> None:
    assert client.portal is not None
    client.portal.call(client.app.state.services.access_log.flush)  # type: ignore[attr-defined]


def ledger(client: TestClient, editor: Headers, article: dict[str, Any]) -> list[dict[str, Any]]:
    flush(client)
    return make.ok(client.get(f"/v1/articles/{article['id']}/ledger", headers=editor))["data"]


def test_what_is_not_offered_is_not_counted_either(client: TestClient, editor: Headers, db: Database) -> None:
    shown = make.published(client, editor, "A ferry")
    make.published(client, editor, "Another ferry", rights={"syndication": "none"})
    partner = Partner(db)
    for path in ("/v1/search?q=ferry", "/v1/search?q=ferry&sort=-published_at", "/v1/articles?q=ferry&sort=title"):
        found = make.ok(client.get(f"{path}&count=exact&limit=1", headers=partner.headers))
        assert [row["id"] for row in found["data"]] == [shown["id"]], path
        assert (found["page"]["total"], found["page"]["next"]) == (1, None), path


def test_each_level_leaves_out_more(client: TestClient, editor: Headers, db: Database) -> None:
    partner = Partner(db)
    make.section(client, editor, "Wire", syndication="excerpt")
    full = make.published(client, editor, "Full", dek="A dek.")
    cases = {
        full["id"]: ("full", True, True),
        make.published(client, editor, "A", dek="A dek.", section="wire")["id"]: ("excerpt", True, False),
        make.published(client, editor, "B", dek="A dek.", section="wire", rights={"syndication": "full"})["id"]: (
            "full",
            True,
            True,
        ),
        make.published(client, editor, "C", dek="A dek.", rights={"syndication": "headline"})["id"]: (
            "headline",
            False,
            False,
        ),
    }
    none = make.published(client, editor, "N", rights={"syndication": "none"})
    for article, (level, dek, body) in cases.items():
        url = f"/v1/articles/{article}"
        theirs = make.ok(client.get(url, headers=partner.headers))
        assert (theirs["rights"]["syndication"], theirs["dek"] is not None, "body" in theirs) == (level, dek, body)
        assert "body" in make.ok(client.get(url))  # readers see all of it
        (edited,) = (make.ok(client.get(url, headers=editor)),)
        assert "body" in edited
    listed = make.ok(client.get("/v1/articles?formats=html&limit=3", headers=partner.headers))
    rest = make.ok(client.get(f"/v1/articles?formats=html&cursor={listed['page']['next']}", headers=partner.headers))
    found = {row["id"]: "body" in row for row in listed["data"] + rest["data"]}
    assert found == {article: body for article, (_, _, body) in cases.items()}
    assert len(listed["data"]) == 3
    assert make.ok(client.get(f"/v1/articles/{none['id']}", headers=partner.headers), 404)["code"] == "not_found"
    assert make.titles(client, "section=wire", partner.headers) == ["B", "A"]
    assert "N" in make.titles(client)
    beside = make.ok(client.get(f"/v1/articles/{cases_last(cases)}/neighbours?formats=html", headers=partner.headers))
    assert beside["next"] is None  # nothing of it is theirs
    assert "body" in beside["previous"]
    inside = make.ok(client.get(f"/v1/articles/{full['id']}?include=neighbours", headers=partner.headers))
    assert inside["neighbours"]["next"]["title"] == "A"


def test_no_way_gives_more_than_the_level(client: TestClient, editor: Headers, db: Database) -> None:
    """Every answer that holds articles is cut, and noted: lists, what stands beside one, feeds, formats, the export."""
    partner, words = Partner(db), "<p>Once upon a midnight.</p>"
    common = {"dek": "Dreary.", "body": {"html": words}, "series": make.series(client, editor, "Long")["id"]}
    made = {
        level: make.published(client, editor, level.title(), rights={"syndication": level}, **common)
        for level in ("none", "excerpt", "headline", "full")
    }
    front = {"title": "F", "blocks": [{"kind": "newest", "title": "New", "limit": 9}]}
    make.ok(client.put("/v1/fronts/home", json=front, headers={**editor, "If-None-Match": "*"}), 201)
    url = f"/v1/articles/{made['full']['id']}"
    month = made["full"]["published_at"][:7]
    ways = ["/v1/articles?formats=html", "/v1/search?q=midnight", "/v1/search?q=dreary", f"{url}/related?formats=html"]
    ways += [f"{url}?include=related,neighbours", f"{url}/neighbours?formats=html", "/v1/fronts/home"]
    ways += ["/feeds/site.rss", "/feeds/site.atom", "/feeds/site.json", f"/feeds/archive/{month}.atom"]
    ways += ["/v1/export.ndjson"]
    for way in ways:
        flush(client)
        before = {row["id"]: row["times"] for row in everything(db)}
        told = client.get(way, headers=partner.headers)
        assert told.status_code == 200, way
        texts, deks = told.text.count("midnight"), told.text.count("Dreary")
        free = client.get(way).text
        assert free.count("None") > 0 or way.startswith(url), way
        assert "None" not in told.text.replace("If-None", ""), way
        assert texts < free.count("midnight") or not free.count("midnight"), way
        assert deks < free.count("Dreary") or not free.count("Dreary"), way
        flush(client)
        more = [row for row in everything(db) if row["times"] > before.get(row["id"], 0)]
        assert more, way
        assert not [row for row in more if row["article_id"] == made["none"]["id"]]
    for suffix in ("jsonld", "ninjs", "md", "txt"):
        cut = client.get(f"/v1/articles/{made['headline']['id']}.{suffix}", headers=partner.headers)
        assert cut.status_code == 200
        assert "midnight" not in cut.text
        assert "Dreary" not in cut.text
        assert client.get(f"/v1/articles/{made['none']['id']}.{suffix}", headers=partner.headers).status_code == 404


def everything(db: Database) -> list[Any]:
    with db.connect() as connection:
        return list(connection.execute(sa.select(FETCH)).mappings())


@pytest.mark.parametrize("query", ["", "&fields=article.title", "&fields=article.rights.usage_terms"])
def test_a_path_to_what_is_not_theirs_leads_nowhere(
    client: TestClient, editor: Headers, db: Database, query: str
) -> None:
    partner = Partner(db)
    make.published(client, editor, "Ours", rights={"syndication": "none"})
    make.published(client, editor, "Theirs")
    ours, nothing, theirs = (
        client.get(f"/v1/resolve?path=/{slug}{query}", headers=partner.headers)
        for slug in ("ours", "nothing", "theirs")
    )
    assert {**make.ok(ours, 404), "request_id": ""} == {**make.ok(nothing, 404), "request_id": ""}
    assert make.ok(theirs)
    assert make.ok(client.get(f"/v1/resolve?path=/ours{query}"))


def cases_last(cases: dict[str, Any]) -> str:
    return list(cases)[-1]


def test_a_change_of_the_section_counts_at_once(
    client: TestClient, editor: Headers, db: Database, make_cards: Callable[[], None]
) -> None:
    partner = Partner(db)
    make.section(client, editor, "Wire")
    article = make.published(client, editor, section="wire")
    make_cards()
    url = f"/v1/articles/{article['id']}"
    assert "body" in make.ok(client.get(url, headers=partner.headers))
    any_version = {**editor, "If-Match": "*"}
    make.ok(client.patch("/v1/sections/wire", json={"syndication": "headline"}, headers=any_version))
    assert "body" not in make.ok(client.get(url, headers=partner.headers))
    shown = make.ok(client.get(url, headers=editor))
    assert (shown["rights"]["syndication"], shown["editing"]["syndication"]) == ("headline", None)


def test_rights_are_carried(client: TestClient, editor: Headers) -> None:
    rights = {"territory": ["DE", "AT", "DE"], "usage_terms": "Print only."}
    article = make.published(client, editor, rights=rights)
    shown = make.ok(client.get(f"/v1/articles/{article['id']}"))["rights"]
    assert shown == {
        "usage_terms": "Print only.",
        "copyright_holder": None,
        "territory": ["AT", "DE"],
        "syndication": "full",
        "embargoed_until": None,
        "expires_at": None,
    }
    assert make.ok(client.get("/v1/articles"))["data"][0]["rights"] == shown
    cleared = make.patched(client, editor, article, rights={"territory": None})
    assert cleared["rights"]["territory"] is None
    for bad in ({"territory": ["Germany"]}, {"territory": []}, {"syndication": "some"}):
        answer = client.patch(
            f"/v1/articles/{article['id']}", json={"rights": bad}, headers={**editor, "If-Match": "*"}
        )
        assert make.ok(answer, 422)["code"] == "invalid_body"


def named(client: TestClient, editor: Headers, article: dict[str, Any], *partners: Partner) -> Any:
    url = f"/v1/articles/{article['id']}/partners"
    body = {"keys": [partner.id for partner in partners]}
    return make.ok(client.put(url, json=body, headers={**editor, "If-Match": "*"}))


def test_named_partners_read_what_is_to_come(client: TestClient, editor: Headers, db: Database) -> None:
    partner, other = Partner(db), Partner(db)
    early = make.published(client, editor, "Early", rights=FAR)
    scheduled = make.draft(client, editor, "Scheduled", rights={"syndication": "headline"})
    at = {"at": "2999-01-01T00:00:00Z"}
    headers = {**editor, "If-Match": "*"}
    make.ok(client.put(f"/v1/articles/{scheduled['id']}/schedule", json=at, headers=headers))
    drafted = make.draft(client, editor, "Draft")
    for article in (early, scheduled, drafted):
        answer = named(client, editor, article, partner)
        assert answer == {"article_id": article["id"], "keys": [{"id": partner.id, "name": "The Mirror"}]}
        assert make.ok(client.get(f"/v1/articles/{article['id']}/partners", headers=editor)) == answer
    missing = client.get("/v1/articles/0199aaaa-0000-7000-8000-000000000000").json()
    for headers, seen in ((partner.headers, {early["id"], scheduled["id"]}), (other.headers, set()), ({}, set())):
        for article in (early, scheduled, drafted):
            answer = client.get(f"/v1/articles/{article['id']}", headers=headers)
            for beside in ("related", "neighbours"):
                around = client.get(f"/v1/articles/{article['id']}/{beside}", headers=headers)
                assert around.status_code == answer.status_code, beside
            if article["id"] in seen:
                assert make.ok(answer)["title"] == article["title"]
            else:
                assert {**make.ok(answer, 404), "request_id": ""} == {**missing, "request_id": ""}
        assert make.titles(client, "", headers) == []
        for tail in ("/comments", "/anchors"):
            assert client.get(f"/v1/articles/{early['id']}{tail}", headers=headers).status_code == 404
    url = "/v1/embargoed?formats=html"
    first = make.ok(client.get(f"{url}&limit=1&count=exact", headers=partner.headers))
    assert ([row["title"] for row in first["data"]], first["page"]["total"]) == (["Scheduled"], 2)
    assert "body" not in first["data"][0]
    second = make.ok(client.get(f"{url}&cursor={first['page']['next']}", headers=partner.headers))
    assert [(row["title"], "body" in row) for row in second["data"]] == [("Early", True)]
    assert second["page"]["next"] is None
    assert make.ok(client.get(url, headers=other.headers))["data"] == []
    assert make.ok(client.get("/v1/changes"))["data"] == []
    named(client, editor, early)
    assert make.ok(client.get(f"/v1/articles/{early['id']}", headers=partner.headers), 404)
    named(client, editor, early, partner)
    make.patched(client, editor, early, rights={"embargoed_until": None, "expires_at": "2001-01-01T00:00:00Z"})
    assert make.ok(client.get(f"/v1/articles/{early['id']}", headers=partner.headers), 404)


def test_what_is_public_has_no_early_readers(
    client: TestClient, editor: Headers, db: Database, settings: Settings
) -> None:
    partner = Partner(db)
    article = make.published(client, editor, "Early", rights=FAR)
    named(client, editor, article, partner)
    make.patched(client, editor, article, rights={"embargoed_until": None})
    assert client.portal is not None
    worker: Any = client.app.state.services.worker  # type: ignore[attr-defined]
    while client.portal.call(worker.run_once):
        pass
    url = f"/v1/articles/{article['id']}"
    assert make.ok(client.get(f"{url}/partners", headers=editor))["keys"] == []
    answer = client.put(f"{url}/partners", json={"keys": [partner.id]}, headers={**editor, "If-Match": "*"})
    assert make.ok(answer, 409)["code"] == "wrong_state"
    make.patched(client, editor, article, rights=FAR)
    assert client.get(url, headers=partner.headers).status_code == 404
    named(client, editor, article, partner)
    assert client.get(url, headers=partner.headers).status_code == 200


def test_who_may_name_whom(client: TestClient, editor: Headers, db: Database, make_key: Callable[..., Headers]) -> None:
    partner, article = Partner(db), make.draft(client, editor)
    url, body = f"/v1/articles/{article['id']}/partners", {"keys": [partner.id]}
    assert client.put(url, json=body, headers=editor).status_code == 428
    assert client.put(url, json=body, headers={**editor, "If-Match": '"v9"'}).status_code == 412
    for headers in (make_key("content:write"), partner.headers):
        assert client.put(url, json=body, headers={**headers, "If-Match": "*"}).status_code == 403
        assert client.get(url, headers=headers).status_code == 403
        assert client.get(f"/v1/articles/{article['id']}/ledger", headers=headers).status_code == 403
    reader = make.ok(
        client.post("/v1/keys", json={"name": "R", "scopes": ["content:read"]}, headers=make_key("admin")), 201
    )
    for bad in ([reader["id"]], [article["id"]]):
        answer = client.put(url, json={"keys": bad}, headers={**editor, "If-Match": "*"})
        assert make.ok(answer, 422)["errors"][0]["pointer"] == "/keys"
    section = make.section(client, editor, "Other")
    limited = make_key("content:read", "content:publish", sections=[section["id"]])
    for path in (url, f"/v1/articles/{article['id']}/ledger"):
        assert client.get(path, headers=limited).status_code == 404
    assert client.put(url, json=body, headers={**limited, "If-Match": "*"}).status_code == 404
    assert client.get("/v1/embargoed").status_code == 401


def test_the_ledger_knows_who_was_given_what(client: TestClient, editor: Headers, db: Database) -> None:
    one, two = Partner(db), Partner(db)
    article = make.published(client, editor, rights={"syndication": "excerpt"})
    url = f"/v1/articles/{article['id']}"
    for _ in range(2):
        make.ok(client.get(url, headers=one.headers))
    make.titles(client, "", two.headers)
    for headers in ({}, editor, make.guest(client)):
        client.get(url, headers=headers)
    flush(client)
    make.ok(client.get(f"{url}?fields=id", headers=one.headers))
    make.act(client, editor, make.patched(client, editor, article, title="New"), "publish")
    make.ok(client.get(url, headers=one.headers))
    found = ledger(client, editor, article)
    assert [(row["key"]["id"], row["revision"], row["level"], row["times"]) for row in found] == [
        (one.id, 2, "excerpt", 1),
        (one.id, 1, "excerpt", 3),
        (two.id, 1, "excerpt", 1),
    ]
    assert found[1]["first_at"] < found[1]["last_at"]
    make.act(client, editor, article, "retract", {"reason": "Wrong."})
    assert client.get(url, headers=one.headers).status_code == 410
    page = make.ok(client.get(f"{url}/ledger?limit=2&count=exact", headers=editor))
    assert page["page"]["total"] == 3
    rest = make.ok(client.get(f"{url}/ledger?cursor={page['page']['next']}", headers=editor))
    assert page["data"] + rest["data"] == found


def test_the_ledger_is_written_when_the_server_stops(
    settings: Settings, db: Database, editor: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partners, "FLUSH_SECONDS", 3600)
    partner = Partner(db)
    with TestClient(create_app(settings, with_worker=False)) as client:
        article = make.published(client, editor)
        make.ok(client.get(f"/v1/articles/{article['id']}", headers=partner.headers))
    with TestClient(create_app(settings, with_worker=False)) as client:
        found = make.ok(client.get(f"/v1/articles/{article['id']}/ledger", headers=editor))["data"]
    assert [(row["key"]["id"], row["times"]) for row in found] == [(partner.id, 1)]


def test_what_cannot_be_written_is_held(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from app.db import Overloaded

    article = "0199aaaa-0000-7000-8000-000000000001"

    async def run() -> None:
        await db.start()
        held = PartnerAccessLog(db)
        held.note(article, [AccessRecord(article, 1, "full")])
        write = db.write

        async def away(*_: Any) -> None:
            held.note(article, [AccessRecord(article, 1, "full"), AccessRecord(article, 2, "full")])  # readers go on
            raise Overloaded("away")

        monkeypatch.setattr(db, "write", away)
        await held.flush()
        monkeypatch.setattr(db, "write", write)
        await held.stop()

    asyncio.run(run())
    with db.connect() as connection:
        rows = connection.execute(sa.select(FETCH.c.revision, FETCH.c.times).order_by(FETCH.c.revision)).all()
    assert [tuple(row) for row in rows] == [(1, 2), (2, 1)]


def test_quotas_of_a_key(client: TestClient, admin: Headers) -> None:
    body = {"name": "P", "scopes": ["syndicate"], "quota_minute": 3, "quota_day": 4}
    made = make.ok(client.post("/v1/keys", json=body, headers=admin), 201)
    assert (made["quota_minute"], made["quota_day"]) == (3, 4)
    headers = {"Authorization": f"Bearer {made['key']}"}
    answers = [client.get("/v1/articles", headers=headers) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"quota-minute";q=3;w=60, "quota-day";q=4;w=86400'
    assert answers[0].headers["ratelimit"].startswith('"quota-minute";r=2;')
    assert '"quota-day";r=3;' in answers[0].headers["ratelimit"]
    assert answers[3].json()["code"] == "rate_limited"
    assert int(answers[3].headers["retry-after"]) <= 60
    day = make.ok(client.post("/v1/keys", json={**body, "quota_minute": None, "quota_day": 1}, headers=admin), 201)
    own = {"Authorization": f"Bearer {day['key']}"}
    assert client.get("/v1/articles", headers=own).status_code == 200
    refused = client.get("/v1/articles", headers=own)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 60
    assert make.ok(client.post("/v1/keys", json={**body, "quota_day": 0}, headers=admin), 422)


def test_a_quota_counts_every_request_once(settings: Settings, db: Database) -> None:
    """What has a limit of its own keeps that, whatever the key's quotas are."""
    partner = Partner(db, quota_minute=100, quota_day=100)
    limited = settings.model_copy(update={"rate_limits": "hub=1/hour"})
    form = {"hub.mode": "subscribe", "hub.topic": "https://elsewhere.example/", "hub.callback": "https://a.example/"}
    with TestClient(create_app(limited, with_worker=False)) as client:
        assert client.post("/hub", data=form, headers=partner.headers).status_code == 422
        assert client.post("/hub", data=form, headers=partner.headers).status_code == 429
        last = client.get("/v1/articles", headers=partner.headers)
    assert '"quota-minute";r=97;' in last.headers["ratelimit"]

"""Nothing private is in any answer, header, count or log line: words planted in all that is private never come out."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.articles.publishing import advance_due_articles
from app.core.clock import format_rfc3339
from app.db import Database
from app.identity import keys
from app.identity.audit import record_action
from app.identity.schemas import SCOPES, SYSTEM
from app.search.indexing import index_article
from tests import make
from tests.document import operation_at
from tests.effort import Portion, some

pytestmark = pytest.mark.portable

Headers = dict[str, str]
CANARY = "zqx"  # every private word begins with it
EDITOR = ["content:read", "content:write", "content:publish"]
MISSING_ID = "0199aaaa-0000-7000-8000-000000000000"


@dataclass
class World:
    """What was planted: references to fill paths with, and secrets beside the words that begin with the canary."""

    editor: Headers
    viewers: dict[str, Headers]
    hidden: list[dict[str, Any]] = field(default_factory=list)
    refs: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    fills: dict[str, list[str]] = field(default_factory=dict)


def private(name: str) -> dict[str, Any]:
    """Fields of an article, a private word in each."""
    word = f"{CANARY}{name}"
    return {
        "title": f"{word}title",
        "slug": f"{word}slug",
        "dek": f"{word}dek",
        "body": {"html": f"<p>{word}body</p><p>More.</p>"},
        "section": "closed",
        "authors": ["ann"],
        "tags": ["war"],
        "series": "long",
        "rights": {"usage_terms": f"{word}terms", "copyright_holder": f"{word}holder"},
    }


def plant(client: TestClient, editor: Headers, db: Database) -> list[dict[str, Any]]:
    """Articles in every state that hides them."""
    now = datetime.now(UTC)
    found = [make.draft(client, editor, **private("draft"))]
    taken_back = make.published(client, editor, **private("unpublished"))
    make.patched(client, editor, taken_back, slug=f"{CANARY}moved")
    found.append(make.act(client, editor, taken_back, "unpublish"))
    scheduled = make.draft(client, editor, **private("scheduled"))
    url, body = f"/v1/articles/{scheduled['id']}/schedule", {"at": format_rfc3339(now + timedelta(days=1))}
    found.append(make.ok(client.put(url, json=body, headers=make.version(client, editor, scheduled))))
    for name, rights in (
        ("embargoed", {"embargoed_until": format_rfc3339(now + timedelta(days=1))}),
        ("expired", {"expires_at": format_rfc3339(now + timedelta(minutes=1))}),
    ):
        fields = private(name)
        found.append(make.published(client, editor, **{**fields, "rights": {**fields["rights"], **rights}}))
    with time_machine.travel(now + timedelta(hours=1)), db.transaction() as session:
        assert advance_due_articles(session, index_article) == 1  # it expires
    return found


def talk_about(client: TestClient, editor: Headers, article: dict[str, Any]) -> None:
    """What editors tell each other about an article."""
    url = f"/v1/articles/{article['id']}"
    make.ok(client.post(f"{url}/notes", headers=editor, json={"text": f"{CANARY}note"}), 201)
    make.ok(client.post("/v1/tasks", headers=editor, json={"title": f"{CANARY}task", "article": article["id"]}), 201)
    make.ok(client.put(f"{url}/lock", headers=editor))
    make.act(client, editor, article, "submit", {"note": f"{CANARY}submitted"})


@pytest.fixture
def world(client: TestClient, db: Database) -> World:
    """A publication with one public article and everything else private."""
    with db.transaction() as session:
        secrets = [keys.create_api_key(session, SYSTEM, name, EDITOR)[1] for name in ("editor", f"{CANARY}keyname")]
        record_action(session, SYSTEM, "key.create", "key", None, {"note": f"{CANARY}audit"})
        secrets += session.connection().execute(sa.text("SELECT hash FROM api_key")).scalars()
    editor = {"Authorization": f"Bearer {secrets[0]}"}
    opened, closed = (make.section(client, editor, name) for name in ("Open", "Closed"))
    ann, bo = (make.author(client, editor, name) for name in ("Ann", "Bo"))
    long = make.series(client, editor, "Long")
    tag = make.ok(client.post("/v1/tags", json={"name": "War"}, headers=editor), 201)
    hidden = plant(client, editor, db)
    talk_about(client, editor, hidden[0])
    public = make.published(client, editor, "Public", section="open", authors=["bo"], tags=["war"])
    changes = {name: value for name, value in private("revision").items() if name not in {"slug", "rights"}}
    make.patched(client, editor, public, **changes)  # a text that is not out, and that moves it to the closed section
    came = make.draft(client, editor, **{**private("origin"), "slug": "came-over"})
    came = make.patched(client, editor, came, title="Open now", section="open", dek=None, body={"html": "<p>Open.</p>"})
    make.patched(client, editor, came, rights={"usage_terms": None, "copyright_holder": None})
    gone = make.published(client, editor, **{**private("retracted"), "slug": "gone"})
    asked = {"exact": f"{CANARY}retractedbody", "question": f"{CANARY}question"}
    lost = make.ok(client.post(f"/v1/articles/{gone['id']}/anchors", headers=editor, json=asked), 201)
    make.act(client, editor, gone, "retract", {"reason": "Public reason."})
    asked = {"exact": "a time", "question": "When?"}
    anchor = make.ok(client.post(f"/v1/articles/{public['id']}/anchors", headers=editor, json=asked), 201)
    pins = [*(row["id"] for row in hidden), "public"]
    blocks = [{"kind": "pinned", "articles": pins}, {"kind": "newest", "tag": "war"}, {"kind": "newest"}]
    for slug, state in (("home", "published"), ("trial", "draft")):
        front = {"title": "Front" if slug == "home" else f"{CANARY}front", "state": state, "blocks": blocks}
        make.ok(client.put(f"/v1/fronts/{slug}", json=front, headers={**editor, "If-None-Match": "*"}), 201)
    article_notice = {"scope": "article", "target_id": hidden[0]["id"], "placement": "both"}
    notice = make.notice(client, editor, **article_notice, text=f"{CANARY}notice")
    preview = make.ok(client.post(f"/v1/articles/{hidden[0]['id']}/previews", headers=editor, json={}), 201)
    named = {"name": f"{CANARY}release", "note": f"{CANARY}releasenote"}
    release = make.ok(client.post("/v1/releases", headers=editor, json=named), 201)
    released = [{"op": "publish", "article": row["id"]} for row in hidden]
    released.append({"op": "create_notice", "body": {**article_notice, "text": f"{CANARY}notice"}})
    any_version = {**editor, "If-Match": "*"}
    make.ok(client.put(f"/v1/releases/{release['id']}/items", headers=any_version, json={"items": released}))
    shown = make.ok(client.post(f"/v1/releases/{release['id']}/previews", headers=editor, json={}), 201)
    with db.transaction() as session:
        limited = keys.create_api_key(session, SYSTEM, "limited", EDITOR, [opened["id"]])[1]
        writer = keys.create_api_key(session, SYSTEM, "writer", ["content:write"], [opened["id"]])[1]
        secrets += session.connection().execute(sa.text("SELECT hash FROM preview")).scalars()
        key_ids = list(session.connection().execute(sa.text("SELECT id FROM api_key")).scalars())
    viewers = {"anonymous": {}, "limited": {"Authorization": f"Bearer {limited}"}}
    viewers["writer"] = {"Authorization": f"Bearer {writer}"}
    viewers["guest"] = make.guest(client)
    with db.transaction() as session:
        for scope in sorted(set(SCOPES) - set(EDITOR) - {"admin"}):
            viewers[scope] = make.bearer(keys.create_api_key(session, SYSTEM, scope, [scope])[1])
    states = ("draft", "unpublished", "scheduled", "embargoed", "expired")
    refs = [*(str(row["id"]) for row in hidden), *(f"{CANARY}{state}slug" for state in states), f"{CANARY}moved"]
    return World(
        editor,
        viewers,
        hidden,
        refs,
        [*secrets, shown["token"], preview["token"]],
        defaultdict(lambda: [MISSING_ID])
        | {
            "article": [*refs, public["id"], "public", came["id"], "came-over", gone["id"], "gone"],
            "n": ["1", "2", "3"],
            "section": [opened["id"], closed["id"], "closed"],
            "tag": [tag["id"], "war"],
            "author": [ann["id"], bo["id"], "ann"],
            "series": [long["id"], "long"],
            "notice": [notice["id"]],
            "front": ["home", "trial"],
            "key": ["ab/abc.jpg"],
            "size": ["1x1"],
            "ending": ["webp"],
            "script": ["none.js"],
            "key_id": key_ids,
            "anchor": [anchor["id"], lost["id"]],
            "release": [release["id"]],
            "preview_id": [preview["id"]],
            "code": ["not_found", "article_retracted"],
            "form": ["rss", "atom", "json"],
            "suffix": ["jsonld", "ninjs", "md", "txt"],
            "month": [f"{datetime.now(UTC):%Y-%m}"],
            "part": [f"{datetime.now(UTC):%Y-%m}"],
        },
    )


def work_as_a_person(client: TestClient, db: Database) -> make.Person:
    """Somebody who signed in publishes, corrects and answers, moderates, and merges."""
    person = make.person(client, db, "Quillfeather", desk=None)
    article = make.published(client, person.headers, "Open", slug="by-a-person", section="open", authors=["bo"])
    make.act(client, person.headers, article, "corrections", {"text": "It was four."})
    make.patched(client, person.headers, article, featured=True)
    url, any_version = f"/v1/articles/{article['id']}", {**person.headers, "If-Match": "*"}
    make.ok(client.put(f"{url}/discussion", json={"prompt": "Well?"}, headers=any_version))
    for action in ("reject", "approve"):
        words = {"text": f"Well said, and {action}.", "author": {"name": "Di"}}
        comment = make.ok(client.post(f"{url}/comments", json=words), 201)["id"]
        make.ok(client.post(f"/v1/comments/{comment}/{action}", json={}, headers=person.headers))
    make.ok(client.post("/v1/tags", json={"name": "Peace"}, headers=person.headers), 201)
    make.ok(client.post("/v1/tags/peace/merge", json={"into": "war"}, headers=any_version), 202)
    return person


def routes(client: TestClient) -> Iterator[tuple[str, list[str], set[str]]]:
    """Every GET of the API: its path, the names in it, its parameters."""
    document = client.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        if "get" in methods:
            parameters = operation_at(document, "GET", path)["parameters"]
            names = [p["name"] for p in parameters if p["in"] == "path"]
            yield path, names, {p["name"] for p in parameters if p["in"] == "query"}


def questions(world: World, known: set[str]) -> list[str]:
    """Query strings that might bring something out of a route."""
    ids = ",".join(row["id"] for row in world.hidden)
    asked = {
        "formats": ["html,text,markdown,blocks"],
        "include": ["neighbours"],
        "revision": ["latest", "2"],
        "preview": ["guess", "true", world.secrets[-1][:-1] + "-"],
        "against": ["1"],
        "within": ["section", "series"],
        "url": [f"https://site.example/{path}" for ref in world.refs for path in (f"closed/{ref}", ref)],
        "path": [f"/closed/{ref}" for ref in world.refs] + ["/gone", "/closed/gone", "/public"],
        "state": ["all", "draft", "draft,scheduled,unpublished,retracted"],
        "ids": [ids, ",".join(world.refs)],
        "tag": ["war", "-war"],
        "section": ["closed", "-open"],
        "author": ["ann"],
        "series": ["long"],
        "sort": ["-title", "-updated_at", "-articles", "-discussed_30d", "-published_at"],
        "q": [f"{CANARY}*", f"{CANARY}draftbody", f"{CANARY}revisiontitle -public", "open", "public"],
        "updated_after": ["2000-01-01T00:00:00Z"],
        "count": ["exact"],
        "limit": ["1"],
        "fields": ["title"],
        "subject": [world.hidden[0]["id"]],
    }
    found = [f"{name}={value}" for name, values in asked.items() if name in known for value in values]
    if {"state", "count"} <= known:
        found += [f"state=all&count=exact&tag=war&ids={ids}", f"state=draft&formats=text&exclude={ids[:36]}"]
    required = [query for query in found if query.startswith(("path=", "url="))]
    return required or ["", *found]


def addresses(client: TestClient, world: World) -> Iterator[str]:
    """Every address that a viewer can ask for.

    Each question is asked of an article by its id or by its slug: their places in the list are an odd number apart.
    """
    for path, names, parameters in routes(client):
        for values in product(*(world.fills[name] for name in names)):
            place = world.fills["article"].index(values[names.index("article")]) if "article" in names else None
            for number, query in enumerate(questions(world, parameters)):
                if query and place is not None and (place + number) % 2:
                    continue
                yield path.format(**dict(zip(names, values, strict=True))) + (f"?{query}" if query else "")


def words(text: str) -> set[str]:
    """The planted words in a text."""
    return {word[:40] for word in text.replace('"', " ").replace("<", " ").split() if CANARY in word}


@pytest.mark.long
def test_no_private_word_comes_out(
    capsys: pytest.CaptureFixture[str], client: TestClient, world: World, database_url: str
) -> None:
    leaks, answers, everywhere = [], 0, list(addresses(client, world))
    viewers = some(world.viewers, database_url, 1)
    percent = min(40, 60 // len(viewers))
    asked = {viewer: Portion(percent) for viewer in viewers}
    for viewer, url in product(viewers, everywhere):
        if url not in asked[viewer]:
            continue
        answer = client.get(url, headers=world.viewers[viewer], follow_redirects=False)
        answers += 1
        assert answer.status_code < 500, url
        everything = answer.text + "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        if "Link" in answer.headers and CANARY in url:  # the next page is asked with the words of the question
            everything = everything.replace(answer.headers["Link"], "")
        if found := words(everything) | {secret for secret in world.secrets if secret in everything}:
            leaks.append(f"{url} as {viewer}: {sorted(found)[:3]}")
    assert answers > 5 * percent * len(viewers)
    assert not leaks, "\n".join(leaks[:20])
    log = capsys.readouterr().err
    assert '"event":"request"' in log.replace('": "', '":"'), "the log was not captured"
    assert not words(log)
    assert not any(secret in log for secret in world.secrets)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_readers_learn_nothing_of_the_staff(client: TestClient, world: World, db: Database, admin: Headers) -> None:
    """Neither the name, nor the address, nor the id of a person who wrote, published, corrected and decided."""
    person, asked, leaks = work_as_a_person(client, db), Portion(25), []
    world.fills["person"] = [person.id]
    paths = {"/v1/changes", "/feeds/site.atom", "/v1/articles/by-a-person", "/v1/export.ndjson"}
    for url in {*addresses(client, world), *paths}:
        if url not in asked and url not in paths:
            continue
        answer = client.get(url, headers=world.viewers["guest"], follow_redirects=False)
        shown = answer.text + str(answer.headers)
        if any(word in shown.lower() and word not in url for word in (person.id, person.name.lower())):
            leaks.append(url)
    assert not leaks
    audit = make.ok(client.get(f"/v1/audit?person={person.id}", headers=admin))["data"]
    assert {row["actor_name"] for row in audit} == {person.name}
    actions = {row["action"] for row in audit}
    assert {"article.publish", "article.correct", "comment.reject", "tag.merge"} <= actions
    log = make.ok(client.get(f"/v1/moderation/log?person={person.id}", headers=admin))["data"]
    assert {row["action"] for row in log} == {"approve", "reject"}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # what is sent is chosen by the same code
def test_no_private_word_is_sent(client: TestClient, world: World, admin: Headers, db: Database) -> None:
    """What is told to receivers of webhooks and to the hub of feeds, now and when it is told again."""
    hook = make.ok(client.post("/v1/webhooks", json={"url": "https://a.example", "events": ["*"]}, headers=admin), 201)
    make.patched(client, world.editor, world.hidden[0], dek=f"{CANARY}later")
    now = datetime.now(UTC)
    span = {"since": format_rfc3339(now - timedelta(days=1)), "until": format_rfc3339(now + timedelta(hours=1))}
    make.ok(client.post(f"/v1/webhooks/{hook['id']}/replay", json=span, headers=admin), 202)
    worker = client.app.state.services.worker  # type: ignore[attr-defined]
    assert client.portal is not None
    while client.portal.call(worker.run_once):
        pass
    with db.connect() as connection:
        sent = [str(content) for content in connection.execute(sa.text("SELECT content FROM delivery")).scalars()]
    assert len(sent) > 3
    once_public = re.compile(f"{CANARY}(unpublishedslug|expiredslug|moved)")  # a withdrawal names what it withdraws
    told = [once_public.sub("", text) for text in sent]
    assert [text for text in told if CANARY in text or any(secret in text for secret in world.secrets)] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # a test of the test
def test_the_words_were_there_to_be_found(client: TestClient, world: World) -> None:
    """The same crawl, with a key that may see everything, finds every kind of word sooner or later."""
    missing = set("draft unpublished moved scheduled embargoed expired revision origin retracted notice".split())
    missing |= set("title slug dek body terms holder".split())
    everywhere = list(addresses(client, world))
    random.shuffle(everywhere)
    while missing and everywhere:
        seen = words(client.get(everywhere.pop(), headers=world.editor, follow_redirects=False).text)
        missing -= {kind for kind in missing if any(kind in word for word in seen)}
    assert not missing


def test_counts_count_the_public_alone(client: TestClient, world: World) -> None:
    counts = {kind: make.ok(client.get(f"/v1/{kind}?fields=slug,articles"))["data"] for kind in ("sections", "authors")}
    assert {row["slug"]: row["articles"] for rows in counts.values() for row in rows} == {
        "open": 1,
        "closed": 0,
        "ann": 0,
        "bo": 1,
    }
    assert make.ok(client.get("/v1/tags/war"))["articles"] == 1
    for query, total in (("section=closed", 0), ("tag=war", 1), ("author=ann", 0), ("series=long", 0), ("", 1)):
        assert make.ok(client.get(f"/v1/articles?count=exact&{query}"))["page"]["total"] == total, query
    assert make.ok(client.get("/v1/articles/public/neighbours")) == {"previous": None, "next": None}


def shape(answer: Any) -> tuple[Any, ...]:
    """All of an answer that could tell one from another."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"x-request-id", "date", "age", "cache-status"}
    }
    body = answer.json() if answer.content else {}
    return answer.status_code, headers, {name: value for name, value in body.items() if name != "request_id"}


@pytest.mark.long
def test_what_is_hidden_answers_like_what_is_not_there(client: TestClient, world: World, database_url: str) -> None:
    for viewer in some(world.viewers, database_url, 1):
        check_hidden(client, world, {**world.viewers[viewer], "If-Match": "*"})


def check_hidden(client: TestClient, world: World, headers: Headers) -> None:
    """A part of what can be asked of what is hidden: each is answered as if it were not there."""
    tails = ["", "?include=neighbours", "?fields=title", "?preview=guess", "?revision=latest", "/neighbours"]
    tails += ["/revisions", "/revisions/1", "/revisions/2/diff", "/previews"]
    asked_for = Portion(20)
    for ref in world.refs:
        missing = MISSING_ID if "-" in ref else "a" * len(ref)
        for tail in tails:
            if f"{ref}{tail}" not in asked_for:
                continue
            for more in ({}, {"If-None-Match": "*"}):
                asked = [
                    client.get(f"/v1/articles/{name}{tail}", headers={**headers, **more}, follow_redirects=False)
                    for name in (ref, missing)
                ]
                assert shape(asked[0]) == shape(asked[1]), (ref, tail)
        for method, tail, body in (
            ("PATCH", "", {"title": "T"}),
            ("DELETE", "", None),
            ("POST", "/publish", None),
            ("POST", "/unpublish", None),
            ("POST", "/retract", {"reason": "r"}),
            ("POST", "/corrections", {"text": "t"}),
            ("POST", "/previews", {}),
            ("POST", "/revisions/1/restore", None),
            ("PUT", "/schedule", {"at": "2999-01-01T00:00:00Z"}),
            ("DELETE", "/schedule", None),
        ):
            if f"{method} {ref}{tail}" not in asked_for:
                continue
            asked = [
                client.request(method, f"/v1/articles/{name}{tail}", json=body, headers=headers)
                for name in (ref, missing)
            ]
            assert shape(asked[0]) == shape(asked[1]), (method, ref, tail)
        paths = [make_path(name) for name in (ref, missing)]
        assert shape(client.get(paths[0], headers=headers)) == shape(client.get(paths[1], headers=headers)), ref


def make_path(ref: str) -> str:
    """A question for what stands at a path."""
    return f"/v1/resolve?path=/closed/{ref}"


def test_a_limited_key_learns_nothing_by_writing(
    client: TestClient, world: World, make_key: Callable[..., Headers]
) -> None:
    """Answers to what it may do hold no text of other sections."""
    limited = {**world.viewers["limited"], "If-Match": "*"}
    for method, url, body in (
        ("POST", "/v1/articles/public/corrections", {"text": "t"}),
        ("PATCH", "/v1/articles/public", {"featured": True}),
        ("POST", "/v1/articles/public/unpublish", None),
        ("POST", "/v1/articles/public/previews", {}),
        ("POST", "/v1/articles/came-over/revisions/1/restore", None),
        ("PATCH", "/v1/articles/came-over", {"slug": f"{CANARY}draftslug"[::-1]}),
    ):
        answer = client.request(method, url, json=body, headers=limited)
        assert not words(answer.text), (method, url, answer.status_code)
        if url.endswith("/previews") and answer.status_code == 201:
            seen = client.get(f"/v1/articles/public?preview={answer.json()['token']}")
            assert not words(seen.text), "a preview link shows what its maker may not see"
    taken = {"title": "T", "slug": f"{CANARY}draftslug", "section": "open"}
    answer = client.post("/v1/articles", json=taken, headers=limited)
    assert not words(answer.text)


@pytest.mark.long
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # who may keep an answer is the same code
def test_nothing_private_may_be_kept_by_a_shared_cache(client: TestClient, world: World) -> None:
    """An answer to somebody known says that it is private, unless everybody gets the same bytes."""
    kept: list[str] = []
    asked = Portion(25)
    for path, names, parameters in routes(client):
        if path not in asked:
            continue
        query = questions(world, parameters)[0]
        for first in {world.fills[names[0]][0], world.fills[names[0]][-1]} if names else {""}:
            values = {name: world.fills[name][-1] for name in names} | ({names[0]: first} if names else {})
            url = path.format(**values) + (f"?{query}" if query else "")
            answer, anybodys = (client.get(url, headers=h, follow_redirects=False) for h in (world.editor, {}))
            policy = answer.headers.get("cache-control", "")
            if "private" in policy or "no-store" in policy:
                continue
            if answer.content != anybodys.content or not (policy or answer.status_code >= 300):
                kept.append(f"{url} {answer.status_code} {policy!r}")
    assert kept == []

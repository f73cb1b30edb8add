"""Nothing private of a discussion is in any answer, count, log line, fact or kept answer, whoever asks."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from app.core.ids import new_id
from app.db import Database
from app.identity.schemas import SCOPES
from tests import make
from tests.effort import IS_LONG, Portion
from tests.flows.test_private import CANARY, MISSING_ID, routes, shape, words
from tests.make import Headers, bearer, ok

pytestmark = pytest.mark.portable

ADDRESS = "203.0.113.77"
ROLES = ("anonymous", "guest", "edit", "editor", "elsewhere")
OTHER_SCOPES = sorted(set(SCOPES) - {"admin", "comments:moderate", "content:read", "content:write", "content:publish"})
TOUCHED = ("comment", "/v1/articles", "moderation", "bans", "/me/", "counts", "discussion", "anchors", "audit")
TRIED: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("GET", "/replies", None),
    ("GET", "/decision", None),
    ("PATCH", "", {"text": "Mine."}),
    ("DELETE", "", None),
    ("PUT", "/vote", {"value": 1}),
    ("POST", "/reports", {"reason": "spam"}),
    ("POST", "/appeal", {"text": "Why?"}),
]
ASKED = {
    "view": ["threads", "all", "inline"],
    "sort": ["best", "controversial", "oldest", "newest"],
    "include": ["ancestors"],
    "state": ["pending", "spam", "rejected", "removed", "reported", "appealed"],
    "count": ["exact"],
    "replies": ["10"],
    "fields": ["text", "author"],
}


@dataclass
class World:
    """Who may look, what fills the paths, and the secrets that nobody may see."""

    viewers: dict[str, Headers]
    moderator: Headers
    fills: dict[str, list[str]]
    hidden: dict[str, dict[str, Any]]
    secrets: list[str]


def word(kind: str) -> str:
    """A private word."""
    return f"{CANARY}{kind}"


@pytest.fixture
def world(client: TestClient, db: Database, make_key: Callable[..., Headers], editor: Headers) -> World:
    """One article whose discussion holds something of everything that is not public."""
    moderator = make_key("comments:moderate")
    section, other = (make.section(client, editor, name)["id"] for name in ("Here", "Elsewhere"))
    article = make.published(client, editor, "Discussed", section=section)
    url = f"/v1/articles/{article['id']}"
    reader = TestClient(client.app, client=(ADDRESS, 5000), raise_server_exceptions=False)

    def say(kind: str, **fields: Any) -> dict[str, Any]:
        author = {"name": f"{word(kind)}name", "email": f"{word(kind)}@mail.example"}
        body = {"text": f"I say {word(kind)}text.", "author": author, "notify": "all", **fields}
        key = {"Idempotency-Key": new_id()}
        return ok(reader.post(f"{url}/comments", json=body, headers=key), 201)

    public = say("open", text="In the open.", author={"name": "Bo", "email": f"{word('email')}@mail.example"})
    edited = say("edited", author={"name": "Cy"})
    ok(reader.patch(f"/v1/comments/{edited['id']}", json={"text": "Better."}, headers=bearer(edited["edit_token"])))
    phrase = {"text": word("phrase"), "note": word("note")}
    phrase = ok(client.post("/v1/moderation/phrases", json=phrase, headers=moderator), 201)
    hidden = {"pending": say("pending", text=f"{word('phrase')} {word('pendingtext')}")}
    assert hidden["pending"]["state"] == "pending"
    for kind, verb in (("rejected", "reject"), ("spam", "spam"), ("removed", "remove")):
        hidden[kind] = say(kind, parent_id=public["id"])
        reason = {"reason": f"{word('reason')} of it"}
        ok(client.post(f"/v1/comments/{hidden[kind]['id']}/{verb}", json=reason, headers=moderator))
    hidden["taken"] = say("taken")
    reply = say("reply", text="A reply.", author={"name": "Di"}, parent_id=hidden["taken"]["id"])
    ok(reader.delete(f"/v1/comments/{hidden['taken']['id']}", headers=bearer(hidden["taken"]["edit_token"])), 204)
    appeal, own = {"text": word("appeal")}, bearer(hidden["rejected"]["edit_token"])
    ok(reader.post(f"/v1/comments/{hidden['rejected']['id']}/appeal", json=appeal, headers=own), 201)
    said = {"reason": "abuse", "text": word("report"), "email": f"{word('reporter')}@mail.example"}
    for target in (f"/v1/comments/{public['id']}", url):
        ok(reader.post(f"{target}/reports", json=said), 202)
    (report, *_) = ok(client.get("/v1/moderation/reports", headers=moderator))["data"]
    banned = {"kind": "email_domain", "value": f"{word('domain')}.example", "reason": word("ban")}
    ban = ok(client.post("/v1/bans", json=banned, headers=moderator), 201)
    for one, path, body, status in (
        (public, "notes", {"text": word("remark")}, 201),
        (hidden["pending"], "actions", {"ban": "shadow", "reason": word("action")}, 202),
    ):
        person = f"/v1/moderation/people/{one['author']['id']}/{path}"
        ok(client.post(person, json=body, headers=moderator), status)
    told = [public, edited, reply, *hidden.values()]
    secrets = [one[name] for one in told for name in ("guest_token", "edit_token") if one[name]] + [ADDRESS]
    with db.connect() as connection:
        for query in (
            "SELECT token_hash FROM participant WHERE token_hash IS NOT NULL",
            "SELECT address_hash FROM comment WHERE address_hash IS NOT NULL",
            "SELECT value FROM secret",
        ):
            secrets += [str(value) for value in connection.execute(sa.text(query)).scalars()]
    return World(
        {
            "anonymous": {},
            "guest": make.guest(client),
            "edit": bearer(public["edit_token"]),
            "editor": editor,
            "elsewhere": make_key("comments:moderate", sections=[other]),
            **{scope: make_key(scope) for scope in OTHER_SCOPES},
        },
        moderator,
        {
            "article": [article["id"], article["slug"]],
            "comment": [one["id"] for one in told],
            "section": [section],
            "report": [report["id"]],
            "ban": [ban["id"]],
            "participant": [one["author"]["id"] for one in (public, hidden["pending"])],
            "phrase": [phrase["id"]],
        },
        hidden,
        secrets,
    )


def crawl(client: TestClient, world: World, headers: Headers, percent: int = 100) -> Iterator[tuple[str, Any]]:
    """Every answer that a viewer gets by asking, or a random part of them."""
    asked = Portion(percent)
    article = world.fills["article"][0]
    for path, names, parameters in routes(client):
        if not any(part in path for part in TOUCHED):
            continue
        needed = {"/v1/counts": f"articles={article}&", "/v1/me/votes": f"article={article}&"}.get(path, "")
        queries = ["", *(f"{name}={value}" for name in ASKED if name in parameters for value in ASKED[name])]
        for at, values in enumerate(product(*(world.fills.get(name, [MISSING_ID]) for name in names))):
            for query in queries if at == 0 else queries[:1]:
                url = f"{path.format(**dict(zip(names, values, strict=True)))}?{needed}{query}"
                if url in asked:
                    yield url, client.get(url, headers=headers, follow_redirects=False)


def found_in(text: str, world: World) -> list[str]:
    """Private words and secrets in a text."""
    return sorted(words(text) | {secret for secret in world.secrets if secret in text})


@pytest.mark.long
def test_no_private_word_comes_out(capsys: pytest.CaptureFixture[str], client: TestClient, world: World) -> None:
    answers, leaks = 0, []
    for role in (*ROLES, *(OTHER_SCOPES if IS_LONG else random.sample(OTHER_SCOPES, 1))):
        # Phrases are the whole publication's, also for a moderator of one section.
        own = {word(kind) for kind in ("phrase", "note")} if role == "elsewhere" else set()
        for url, answer in crawl(client, world, world.viewers[role], 20):
            answers += 1
            assert answer.status_code < 500, url
            everything = answer.text + "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
            if found := [one for one in found_in(everything, world) if not any(mine in one for mine in own)]:
                leaks.append(f"{role} {url}: {found[:3]}")
    assert answers > 60
    assert not leaks, "\n".join(leaks[:20])
    log = capsys.readouterr().err
    assert '"event":"request"' in log.replace('": "', '":"'), "the log was not captured"
    assert not found_in(log, world)


def test_moderators_see_what_they_decide_about(client: TestClient, world: World) -> None:
    """The same crawl with a moderator's key finds the words: they were there to be found."""
    seen: set[str] = set()
    for _, answer in crawl(client, world, world.moderator):
        seen |= words(answer.text)
    for kind in ("pendingtext", "rejectedtext", "spamtext", "removedtext", "reason", "appeal", "report", "phrase"):
        assert any(word(kind) in found for found in seen), kind
    for kind in ("email", "reporter", "ban", "note", "domain", "remark", "action"):
        assert any(word(kind) in found for found in seen), kind
    assert not any(word("taken") in found for found in seen), "what its author took back is nowhere"


def test_nothing_private_is_kept_where_it_does_not_belong(db: Database, world: World) -> None:
    """Facts go out to the world, kept answers are shown again: neither holds a private word or a token."""
    kept = {table.name: table for table in SQLModel.metadata.sorted_tables}
    with db.connect() as connection:
        for name in ("event", "replay", "idempotency_key", "idempotent_answer"):
            if name in kept:
                for row in connection.execute(sa.select(kept[name])).mappings():
                    assert not found_in(repr(dict(row)), world), name
        assert connection.execute(sa.select(sa.func.count()).select_from(kept["event"])).scalar_one() > 5
        everything = "".join(repr(row) for table in kept.values() for row in connection.execute(sa.select(table)))
    tokens = [one for one in world.secrets if one.startswith(("bg_", "be_"))]
    assert not [token for token in [*tokens, ADDRESS] if token in everything], "tokens and addresses are kept as hashes"
    assert word("takentext") not in everything, "what its author took back is nowhere"


@pytest.mark.parametrize("kind", ["pending", "removed"])
def test_what_is_hidden_answers_like_what_is_not_there(client: TestClient, world: World, kind: str) -> None:
    real = world.hidden[kind]["id"]
    for role in ROLES:
        headers = world.viewers[role]
        for method, tail, body in TRIED:
            asked = [
                client.request(method, f"/v1/comments/{one}{tail}", json=body, headers=headers)
                for one in (real, MISSING_ID)
            ]
            assert asked[0].status_code >= 400
            assert shape(asked[0]) == shape(asked[1]), (role, method, tail, asked[0].text, asked[1].text)


@pytest.mark.parametrize("how", ["hidden", "unpublished"])
def test_what_no_reader_sees_answers_like_what_is_not_there(
    client: TestClient, world: World, editor: Headers, how: str
) -> None:
    """Comments that are published themselves, of a discussion or an article that is not."""
    article, real = world.fills["article"][0], world.fills["comment"][0]
    if how == "hidden":
        hide, url = {**world.moderator, "If-Match": "*"}, f"/v1/articles/{article}/discussion"
        ok(client.put(url, json={"state": "hidden"}, headers=hide))
    else:
        ok(client.post(f"/v1/articles/{article}/unpublish", headers={**editor, "If-Match": "*"}))
    for role in ("anonymous", "guest", "editor", "elsewhere"):
        for method, tail, body in TRIED:
            asked = [
                client.request(method, f"/v1/comments/{one}{tail}", json=body, headers=world.viewers[role])
                for one in (real, MISSING_ID)
            ]
            assert asked[0].status_code >= 400
            assert shape(asked[0]) == shape(asked[1]), (role, method, tail, asked[0].text, asked[1].text)


def test_counts_count_the_public_alone(client: TestClient, world: World) -> None:
    article = world.fills["article"][1]
    shown = ok(client.get(f"/v1/articles/{article}"))["discussion"]["comments"]
    page = ok(client.get(f"/v1/articles/{article}/comments?view=all&count=exact"))
    assert (shown, page["page"]["total"], len(page["data"])) == (3, 3, 3)
    threads = ok(client.get(f"/v1/articles/{article}/comments?sort=oldest"))["data"]
    assert [row["replies"] for row in threads] == [0, 0, 1]

"""What is not public is nowhere: whoever looks at everything sees, to the last byte, a publication without it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339, now
from app.core.settings import Settings
from app.db import Database
from tests import make
from tests.effort import Portion
from tests.flows.test_private import CANARY, MISSING_ID, private, routes, shape, words
from tests.receiver import Receiver, work_through

pytestmark = pytest.mark.portable

Headers = dict[str, str]
SITE = "https://site.example"
# Answers that are never the same twice, whatever happens in the publication.
MOVING = {"/metrics", "/readyz", "/openapi.json"}
ASKED = {
    "/v1/articles": ["?count=exact", "?tag=war", "?section=open", "?q=public", "?sort=-updated_at", "?formats=html"],
    "/v1/search": [f"?q={CANARY}*", "?q=public"],
    "/v1/counts": ["?articles=public,second"],
    "/v1/resolve": ["?path=/open/public"],
    "/oembed": [f"?url={SITE}/open/public"],
    "/v1/articles/{article}": ["?include=related,neighbours"],
    "/v1/articles/{article}/neighbours": ["?within=section", "?within=series"],
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Webhooks and the hub may reach this machine."""
    return settings.model_copy(update={"outgoing_allow": ["127.0.0.0/8"]})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Who is told: by a webhook and by the hub."""
    with Receiver() as found:
        yield found


@pytest.fixture
def work(settings: Settings, db: Database) -> Callable[[], None]:
    """All that is done in the background, and all that is sent because of it."""

    return lambda: work_through(settings, timedelta(seconds=10))


@pytest.fixture
def fills(client: TestClient, editor: Headers, admin: Headers, receiver: Receiver, work: Any) -> dict[str, list[str]]:
    """A publication of two articles that somebody follows by every means; what its paths can be filled with."""
    for name in ("Open", "Closed"):
        make.section(client, editor, name)
    make.author(client, editor, "Ann")
    make.series(client, editor, "Long")
    shared = {"section": "open", "authors": ["ann"], "tags": ["War"], "series": "long"}
    public = make.published(client, editor, "Public", **shared)
    make.published(client, editor, "Second", **shared)
    comment = make.comment(client, public)
    front = {"title": "Front", "blocks": [{"kind": "newest"}, {"kind": "discussed", "days": 7}]}
    make.ok(client.put("/v1/fronts/home", json=front, headers={**editor, "If-None-Match": "*"}), 201)
    hook = {"url": receiver.url, "events": ["article.*", "comment.*"]}
    make.ok(client.post("/v1/webhooks", json=hook, headers=admin), 201)
    for topic in ("site.atom", "sections/open.rss", "tags/war.json", "authors/ann.rss"):
        form = {"hub.mode": "subscribe", "hub.topic": f"{SITE}/feeds/{topic}", "hub.callback": receiver.url}
        make.ok(client.post("/hub", data=form), 202)
    work()
    month = f"{datetime.now(UTC):%Y-%m}"
    return {
        "article": [public["id"], "public"],
        "comment": [comment["id"]],
        "section": ["open", "closed"],
        "tag": ["war"],
        "author": ["ann"],
        "series": ["long"],
        "front": ["home"],
        "form": ["rss", "atom", "json"],
        "suffix": ["jsonld", "ninjs", "md", "txt"],
        "month": [month],
        "part": [month],
        "code": ["not_found"],
        "n": ["1"],
    }


OWN_HEADERS = {"x-request-id", "age", "cache-status"}  # of one request, or of a kept answer


def seen(client: TestClient, fills: dict[str, list[str]], asked: Portion) -> dict[str, Any]:
    """Everything that anybody can read, or a part of it, with all headers that could tell something."""
    found = {}
    for path, names, _ in routes(client):
        if path in MOVING:
            continue
        for values in product(*(fills.get(name, [MISSING_ID]) for name in names)):
            for query in ["", *ASKED.get(path, [])]:
                url = path.format(**dict(zip(names, values, strict=True))) + query
                if url not in asked:
                    continue
                answer = client.get(url, follow_redirects=False)
                assert answer.status_code < 500, url
                headers = {name: value for name, value in answer.headers.items() if name not in OWN_HEADERS}
                body = answer.text
                if "problem" in headers["content-type"]:
                    body = body.replace(answer.headers["x-request-id"], "")
                if path == "/v1/export.ndjson":  # which says when it was made
                    body = "\n".join(body.splitlines()[1:-1])
                found[url] = (answer.status_code, headers, body)
    assert len(found) > 30
    return found


def differing(before: dict[str, Any], after: dict[str, Any], between: dict[str, Any] | None = None) -> list[str]:
    """Addresses that do not answer as before; streams tell how far the log has come, which readers of it may know.

    What was something else `between` is as it was, but since later.
    """
    assert before.keys() == after.keys()
    changed = [url for url, answer in before.items() if after[url] != answer and not url.endswith("/live")]
    back = {url for url in changed if between is not None and undated(between[url]) != undated(before[url])}
    return [url for url in changed if url not in back or undated(before[url]) != undated(after[url])]


def undated(answer: tuple[int, dict[str, str], str]) -> tuple[int, dict[str, str], str]:
    """An answer without the moment since when it has been what it is."""
    status, headers, body = answer
    return status, {name: value for name, value in headers.items() if name != "last-modified"}, body


def fields(name: str, **rights: str) -> dict[str, Any]:
    """An article in the middle of everything that is public, each of its words one that can be found."""
    made = {**private(name), "section": "open"}
    return {**made, "rights": {**made["rights"], **rights}}


def check_missing(client: TestClient, hidden: dict[str, Any], headers: Headers) -> None:
    """By id and slug, in every form: the answer for what never was."""
    tails = ["", ".jsonld", ".ninjs", ".md", ".txt", "/related", "/neighbours", "/comments", "/anchors", "/live"]
    for ref, missing in ((hidden["id"], MISSING_ID), (hidden["slug"], "a" * len(hidden["slug"]))):
        for tail in tails:
            asked = [
                client.get(f"/v1/articles/{name}{tail}", headers=headers, follow_redirects=False)
                for name in (ref, missing)
            ]
            assert shape(asked[0]) == shape(asked[1]), tail
            assert asked[0].status_code == 404
        for url in (
            "/feeds/articles/{}/comments.atom",
            "/v1/resolve?path=/open/{}",
            "/oembed?url=" + SITE + "/open/{}",
        ):
            asked = [client.get(url.format(name), headers=headers, follow_redirects=False) for name in (ref, missing)]
            assert shape(asked[0]) == shape(asked[1]), url
        for name in (ref, missing):
            assert client.get(f"/v1/counts?articles={name}").json() == {"data": {}, "missing": [name]}


@pytest.mark.long
def test_what_never_was_public(
    client: TestClient,
    editor: Headers,
    make_key: Callable[..., Headers],
    fills: dict[str, list[str]],
    receiver: Receiver,
    work: Callable[[], None],
) -> None:
    asked = Portion(30)
    before, told = seen(client, fills, asked), len(receiver.messages)
    draft = make.draft(client, editor, **fields("draft"))
    scheduled = make.draft(client, editor, **fields("scheduled"))
    soon = format_rfc3339(datetime.now(UTC) + timedelta(days=1))
    url = f"/v1/articles/{scheduled['id']}/schedule"
    make.ok(client.put(url, json={"at": soon}, headers={**editor, "If-Match": "*"}))
    embargoed = make.published(client, editor, **fields("embargoed", embargoed_until=soon))
    revised = make.ok(client.get("/v1/articles/public"))
    make.patched(client, editor, revised, title=f"{CANARY}revision", body={"html": f"<p>{CANARY}text</p>"})
    work()
    after = seen(client, fills, asked)
    changed = [url for url in differing(before, after) if not url.startswith(f"/v1/articles/{revised['id']}/rev")]
    # A saved revision counts as a version: its readers' ETags may move, no word of it is told.
    own = {url for url in changed if before[url][2] == after[url][2]}
    assert set(changed) == own, sorted(set(changed) - own)
    assert not any(words(str(answer)) for answer in after.values() if f"q={CANARY}" not in str(answer))
    for hidden, headers in product((draft, scheduled, embargoed), ({}, make_key("syndicate"))):
        check_missing(client, hidden, headers)
    assert len(receiver.messages) == told


@pytest.mark.long
def test_what_is_public_no_longer(
    client: TestClient,
    editor: Headers,
    make_key: Callable[..., Headers],
    fills: dict[str, list[str]],
    receiver: Receiver,
    work: Callable[[], None],
) -> None:
    asked = Portion(30)
    before = seen(client, fills, asked)
    soon = format_rfc3339(datetime.now(UTC) + timedelta(minutes=10))
    made = {name: make.published(client, editor, **fields(name)) for name in ("unpublished", "retracted", "withheld")}
    made["embargoed"] = make.published(client, editor, **fields("embargoed"))
    made["expired"] = make.published(client, editor, **fields("expired", expires_at=soon))
    for article in made.values():
        make.comment(client, article, f"{CANARY}said.")
    work()
    assert words(receiver.messages[-1][1].decode()), "it was told while it was there"
    shown = seen(client, fills, asked)
    assert len([url for url, answer in shown.items() if words(answer[2])]) > 1, "it was in many of those asked"
    make.act(client, editor, made["unpublished"], "unpublish")
    make.act(client, editor, made["retracted"], "retract", {"reason": "It was wrong."})
    make.act(client, editor, made["withheld"], "retract", {"reason": "An order.", "legal": True})
    far = {"embargoed_until": "2999-01-01T00:00:00Z"}
    make.patched(client, editor, made["embargoed"], rights=far)
    count = len(receiver.messages)
    with time_machine.travel(now() + timedelta(minutes=11)):
        work()
    after = seen(client, fills, asked)
    # A feed's notice of a retraction leads to where the article was; what is withheld is not even linked.
    link = f"{SITE}/open/{CANARY}retractedslug"
    leaks = {}
    for url, (_, headers, body) in after.items():
        shown_there = body.replace(link, "") if url.startswith("/feeds/") else body
        if f"q={CANARY}" not in url and (found := words(shown_there) | words(str(headers).replace("'", " "))):
            leaks[url] = found
    assert not leaks
    for url in differing(before, after, shown):
        assert url.startswith(("/feeds/", "/v1/changes", "/v1/live", "/v1/series", "/v1/fronts")), url
    for name, headers in product(("unpublished", "embargoed", "expired"), ({}, make_key("syndicate"))):
        check_missing(client, made[name], headers)
    for name, status in (("retracted", 410), ("withheld", 451)):
        for tail in ("", ".jsonld", ".ninjs", ".md", ".txt", "/related", "/neighbours"):
            answer = client.get(f"/v1/articles/{made[name]['id']}{tail}")
            assert (answer.status_code, words(answer.text)) == (status, set())
    for _, body in receiver.messages[count:]:
        found = words(body.decode().replace(link, ""))
        assert not {word for word in found if "slug" not in word}  # a webhook names what is gone, as it did before

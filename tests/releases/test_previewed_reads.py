"""Every read shows a release to the holder of its token, and to nobody else: held over all GET operations."""

import random
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import time_machine
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from tests import make
from tests.document import resolve
from tests.effort import IS_LONG
from tests.releases.test_releases import Headers, publish, release

pytestmark = pytest.mark.portable

FUTURE = now() + timedelta(minutes=1)
"""One moment for the preview, for publishing, and for what readers see then."""
PRIVATE = "private, no-store"
UNCHANGED = {
    "about this server": "/ /docs /docs/{script} /healthz /media/{key} /media/{media}/{size}.{ending} /metrics "
    "/openapi.json /problems /problems/{code} /readyz /robots.txt /v1 /v1/sign-in",
    "events, which tell of what happened": "/v1/changes /v1/articles/{article}/live /v1/live /v1/editorial/live "
    "/v1/moderation/live",
    "exports for other systems": "/v1/export.ndjson",
    "callers' own": "/v1/me/comments /v1/me/data /v1/me/replies /v1/me/votes /v1/subscriptions /v1/whoami "
    "/v1/unsubscribe/{token} /v1/comments/{comment}/decision",
    "settings that releases do not change": "/v1/discussion /v1/sections/{section}/discussion /v1/site/definition "
    "/v1/approval /v1/sections/{section}/approval",
    "what editors, moderators and operators see of drafts and of their work": "/v1/articles/{article}/approval "
    "/v1/articles/{article}/corrections/history /v1/articles/{article}/ledger /v1/articles/{article}/lock "
    "/v1/articles/{article}/notes /v1/articles/{article}/partners /v1/articles/{article}/previews "
    "/v1/articles/{article}/revisions /v1/articles/{article}/revisions/{n} "
    "/v1/articles/{article}/revisions/{n}/diff /v1/articles/{article}/schedule /v1/audit /v1/bans /v1/bans/{ban} "
    "/v1/comments/{comment}/revisions /v1/embargoed /v1/keys /v1/keys/{key_id} /v1/locks /v1/media /v1/media/{media} "
    "/v1/media/{media}/original /v1/media/{media}/rendition /v1/media/{media}/uses /v1/merges/{merge} "
    "/v1/moderation/log /v1/moderation/people/{participant} /v1/moderation/people/{participant}/actions "
    "/v1/moderation/people/{participant}/actions/{action} /v1/moderation/people/{participant}/comments "
    "/v1/moderation/people/{participant}/notes /v1/moderation/people/{participant}/reports /v1/moderation/phrases "
    "/v1/moderation/phrases/{phrase} /v1/moderation/queue /v1/moderation/queue/counts /v1/moderation/reasons "
    "/v1/moderation/reasons/{reason} /v1/moderation/reports /v1/moderation/transparency /v1/people "
    "/v1/people/{person} /v1/people/{person}/identities /v1/people/{person}/passkeys /v1/people/{person}/sessions "
    "/v1/releases /v1/releases/{release} /v1/releases/{release}/items /v1/releases/{release}/previews /v1/roles "
    "/v1/roles/{role} /v1/subscribers /v1/subscribers/{subscriber} /v1/suppressions /v1/tasks /v1/webhooks "
    "/v1/webhooks/{webhook} /v1/webhooks/{webhook}/deliveries",
}
"""GET operations that take no `release`, by the reason."""
SHOWN = (
    "/v1/articles /v1/articles?section=news /v1/articles?section=arts&count=exact /v1/articles?tag=one&formats=html "
    "/v1/articles?author=ann&sort=updated_at /v1/articles?series=files /v1/articles?featured=true&sort=-discussed_7d "
    "/v1/articles?ids=old,gone,new /v1/articles?type=page /v1/articles?q=lighthouse /v1/articles?limit=2 "
    "/v1/articles/{article} /v1/articles/{article}?include=related,neighbours,comments,anchors,head,jsonld "
    "/v1/articles/{article}?formats=text,markdown,blocks&block_ids=true /v1/articles/{article}.{suffix} "
    "/v1/articles/{article}/neighbours /v1/articles/{article}/neighbours?within=section&formats=html "
    "/v1/articles/{article}/related /v1/articles/{article}/related?formats=text&limit=2 "
    "/v1/articles/{article}/comments /v1/articles/{article}/anchors /v1/articles/{article}/discussion "
    "/v1/counts?articles=old,gone,new "
    "/v1/comments/{comment} /v1/comments/{comment}/replies /v1/anchors/{anchor} "
    "/v1/search?q=lighthouse /v1/search?q=lighthouse&sort=-published_at&count=exact /v1/search?q=%22pinned+text%22 "
    "/v1/search?q=harbour+-lighthouse&section=news /v1/search?q=harbour&limit=1 /v1/search?q=nothing "
    "/v1/sections /v1/sections/{section} /v1/tags /v1/tags/{tag} /v1/authors /v1/authors/{author} /v1/series "
    "/v1/series/{series} /v1/tags?sort=-articles /v1/fronts /v1/fronts/{front} /v1/fronts/{front}/definition /v1/site "
    "/v1/resolve?path={address} /v1/resolve?path={address}&include=articles,related&formats=text "
    "/v1/notices /v1/notices/{notice} /v1/redirects /v1/redirects/{redirect} /v1/redirects.csv "
    "/feeds/site.{form} /feeds/sections/{section}.{form} /feeds/tags/{tag}.{form} /feeds/authors/{author}.{form} "
    "/feeds/articles/{article}/comments.{form} /feeds/archive/{month}.atom /sitemap.xml /sitemap-news.xml "
    "/sitemap-{part}.xml /oembed?url=https://site.example{address} /oembed?format=xml&url=https://site.example{address}"
).split()
"""Addresses of all operations that take `release`, with the names of what stands for each variable."""
ADDRESSES = "/ /news/old /arts/old /news/new /news/gone /news/was-old /kept /section/arts /tag/two /author/ann /r /s /t"
KEYED = ("/definition", "/v1/notices", "/v1/redirects")


@pytest.fixture
def settings(all_settings: Settings, database_url: str, tmp_path: Path) -> Settings:
    """Settings with kept answers, among which no preview may be."""
    more = {"database_url": database_url, "data_dir": tmp_path / "data", "cache_size": 32}
    return all_settings.model_copy(update=more)


def expand(address: str, names: Mapping[str, list[str]]) -> list[str]:
    """All addresses that an address with variables stands for."""
    match = re.search(r"{(\w+)}", address)
    if match is None:
        return [address]
    return [each for value in names[match[1]] for each in expand(address.replace(match[0], value, 1), names)]


def operation_of(address: str, paths: Mapping[str, Any]) -> str:
    """The path of the document that an address of `SHOWN` belongs to."""
    plain = address.partition("?")[0]
    assert plain in paths, plain
    return plain


class Story:
    """A publication, and a release that changes everything that one can."""

    def __init__(self, client: TestClient, editor: Headers) -> None:
        self.client, self.editor = client, editor
        for name in ("News", "Arts"):
            make.section(client, editor, name)
        make.section(client, editor, "Deep", parent="arts")
        make.author(client, editor, "Ann")
        make.series(client, editor, "Files")
        text = {"body": {"markdown": "The old harbour. " * 20}}
        self.old = make.published(client, editor, "Old", section="news", tags=["one", "two"], series="files", **text)
        gone = make.published(client, editor, "Gone", section="news", featured=True, authors=["ann"], **text)
        self.kept = make.published(client, editor, "Kept lighthouse", authors=["ann"], series="files", tags=["one"])
        page = make.draft(client, editor, "Imprint", type="page")
        comment = make.comment(client, gone)
        self.comments = [comment["id"], make.comment(client, self.old)["id"]]
        question = {"revision": 1, "exact": "The old harbour.", "start": 0, "end": 16, "question": "Which one?"}
        anchor = make.ok(client.post(f"/v1/articles/{gone['id']}/anchors", json=question, headers=editor), 201)
        new = make.draft(
            client, editor, "New", section="news", tags=["one"], authors=["ann"], series="files", featured=True
        )
        pinned = {"title": "Pinned", "section": "deep", "tags": ["one", "three"], "authors": ["ann"]}
        make.patched(client, editor, self.old, **pinned, body={"markdown": "A *pinned text* of the lighthouse."})
        pins = {"ids": [new["id"], gone["id"]]}
        make.ok(client.put("/v1/articles/kept-lighthouse/related", json=pins, headers={**editor, "If-Match": "*"}))
        stands = make.notice(client, editor, scope="section", target_id="deep", placement="before", text="Of arts.")
        ends = make.notice(client, editor, scope="site", placement="after", text="Ends.")
        blocks = [{"kind": "newest", "limit": 3}]
        front = self._put_front("home", "Home", blocks)
        made = [self._redirect(source, "/kept") for source in ("/r", "/s")]
        links = [{"article": each["id"]} for each in (new, gone, self.old, page)]
        menu = {"name": "main", "items": [*links, {"section": "arts"}]}
        site = {"name": "The Example", "home_front": front["id"], "menus": [menu]}
        make.ok(client.put("/v1/site", json=site, headers={**editor, "If-Match": "*"}))
        self.url = release(
            client,
            editor,
            {"op": "publish", "article": new["id"]},
            {"op": "publish", "article": self.old["id"]},
            {"op": "publish", "article": page["id"]},
            {"op": "unpublish", "article": gone["id"]},
            {
                "op": "front",
                "front": "home",
                "body": {
                    "title": "New home",
                    "blocks": [{"kind": "pinned", "articles": ["new", "gone"]}, {"kind": "newest", "section": "arts"}],
                },
            },
            {"op": "front", "front": "other", "body": {"title": "Other", "blocks": blocks}},
            {"op": "create_notice", "body": {"scope": "site", "placement": "after", "text": "50 % new; it's “so”."}},
            {"op": "change_notice", "notice": stands["id"], "body": {"text": "Changed."}},
            {"op": "delete_notice", "notice": ends["id"]},
            {"op": "create_redirect", "body": {"source": "/t/?a=%25", "target": "/news/new", "status": 302}},
            {"op": "change_redirect", "redirect": made[0]["id"], "body": {"target": "/arts/deep/old"}},
            {"op": "delete_redirect", "redirect": made[1]["id"]},
        )
        make.patched(client, editor, new, title="Secret, later", tags=["later"])
        make.patched(client, editor, self.old, title="Secret, later", body={"markdown": "Secret."})
        make.patched(client, editor, self.kept, title="Secret, too")
        make.patched(client, editor, self.old, slug="is-old")  # holds at once: releases do not have slugs
        month = now().strftime("%Y-%m")
        articles = [new["id"], "new", "old", "is-old", gone["id"], "kept-lighthouse", "imprint"]
        self.names: dict[str, list[str]] = {
            "article": articles,
            "comment": self.comments,
            "anchor": [anchor["id"]],
            "suffix": ["jsonld", "ninjs", "md", "txt"],
            "form": ["rss", "atom", "json"],
            "section": ["news", "arts", "deep"],
            "tag": ["one", "two", "three"],
            "author": ["ann"],
            "series": ["files"],
            "front": ["home", "other"],
            "notice": [stands["id"], ends["id"]],
            "redirect": [each["id"] for each in made],
            "month": [month],
            "part": [month],
            "address": [*ADDRESSES.split(), "/arts/deep/is-old", "/arts/deep/old", "/imprint", "/t?a=%25"],
        }

    def _put_front(self, slug: str, title: str, blocks: list[dict[str, Any]]) -> Any:
        body, headers = {"title": title, "blocks": blocks}, {**self.editor, "If-None-Match": "*"}
        return make.ok(self.client.put(f"/v1/fronts/{slug}", json=body, headers=headers), 201)

    def _redirect(self, source: str, target: str) -> Any:
        return make.ok(
            self.client.post("/v1/redirects", json={"source": source, "target": target}, headers=self.editor), 201
        )

    def choose_addresses(self) -> list[str]:
        """An address of each kind at random, or all of them with `LONG=1`."""
        every = [expand(address, self.names) for address in SHOWN]
        return [each for group in every for each in (group if IS_LONG else [random.choice(group)])]

    def link(self) -> dict[str, Any]:
        """A new preview link."""
        return make.ok(self.client.post(f"{self.url}/previews", json={"hours": 2}, headers=self.editor), 201)

    def read(self, address: str, token: str | None = None) -> Any:
        """The answer at an address, to anybody or to a key where it needs one."""
        joint = "&" if "?" in address else "?"
        url = f"{address}{joint}release={token}" if token else address
        headers = self.editor if any(part in address for part in KEYED) else {}
        return self.client.get(url, headers=headers, follow_redirects=False)


def content_of(answer: Any, ids: Mapping[str, str] = {}) -> tuple[int, str, str]:
    """The status, body and location of an answer, with ids replaced; of problems without the id of the request."""
    body = answer.text if answer.is_success else answer.json()["code"] if answer.content else ""
    for old, new in ids.items():
        body = body.replace(old, new)
    body = re.sub(r"[?&]release=[\w-]+", "", body)
    path, _, query = unquote(answer.headers.get("location", "")).partition("?")
    shown = sorted(part for part in query.split("&") if not part.startswith("release="))  # kept answers sort the query
    return answer.status_code, body, f"{path}?{'&'.join(shown)}" if path else ""


def test_every_read_takes_a_release_or_is_not_changed_by_one(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    paths = document["paths"]
    reads = {path: part["get"].get("parameters", []) for path, part in paths.items() if "get" in part}
    queries = {
        path: {each["name"] for part in parameters if (each := resolve(document, part))["in"] == "query"}
        for path, parameters in reads.items()
    }
    taking = {path for path, names in queries.items() if "release" in names}
    unchanged = [path for group in UNCHANGED.values() for path in group.split()]
    assert taking == {operation_of(address, paths) for address in SHOWN}
    assert sorted([*taking, *unchanged]) == sorted(reads)


def test_every_read_shows_a_release_to_the_holder_of_its_token_alone(client: TestClient, editor: Headers) -> None:
    story = Story(client, editor)
    addresses = story.choose_addresses()
    revoked = story.link()
    make.ok(client.delete(f"{story.url}/previews/{revoked['id']}", headers=editor), 204)
    token = story.link()["token"]
    with time_machine.travel(FUTURE, tick=False):
        present = {each: story.read(each) for each in addresses}
        previewed = {each: story.read(each, token) for each in addresses}
        for address, answer in previewed.items():
            assert answer.headers["cache-control"] in (PRIVATE, "no-store"), address
            assert not {"cache-tag", "surrogate-key", "last-modified"} & answer.headers.keys(), address
            assert "secret" not in answer.text.lower(), address
            assert answer.status_code not in (400, 422, 500), (address, answer.text)
        again = {each: story.read(each) for each in addresses}
        for address, answer in again.items():
            assert (answer.content, answer.headers.get("etag")) == (
                (present[address].content if answer.is_success else answer.content),
                present[address].headers.get("etag"),
            ), address
        for address in random.sample(addresses, 8):
            for wrong in (revoked["token"], "unknown"):
                assert content_of(story.read(address, wrong)) == (404, "not_found", ""), address
        publish(client, editor, story.url)
        items = make.ok(client.get(f"{story.url}/items?limit=100", headers=editor))["data"]
        made = {each["id"]: each["notice"] or each["front"] or each["redirect"] for each in items}
        ids = {old: new for old, new in made.items() if new}
        differing = {}
        for address in addresses:
            expected, seen = content_of(previewed[address], ids), content_of(story.read(address))
            if expected != seen:
                differing[address] = (expected, seen)
        assert differing == {}
        for address in random.sample(addresses, 8):
            assert content_of(story.read(address, token)) == content_of(story.read(address)), address
    if IS_LONG:
        of = {each: address.partition("?")[0] for address in SHOWN for each in expand(address, story.names)}
        changed = {of[each] for each in addresses if content_of(present[each]) != content_of(previewed[each])}
        assert set(of.values()) == changed

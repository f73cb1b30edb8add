"""Whatever readers write is inert wherever it comes out: as HTML of the strictest kind, or as text in JSON."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser
from starlette.testclient import TestClient

from app.comments.rendering import clean_html, render_markdown
from app.db import Database
from app.importers.disqus.loader import import_disqus
from app.publication.site import Site
from tests import make
from tests.flows.test_xss import VECTORS, faults, is_harmless, sendable
from tests.importers.disqus.exports import disqus, post, thread
from tests.make import Headers, bearer, ok

pytestmark = pytest.mark.portable

ELEMENTS = set("a blockquote br code del em li ol p pre s strong ul".split())
LINK = {"href", "rel", "title"}


def harm(html: str) -> Iterator[str]:
    """What a comment's HTML may not hold."""
    yield from faults(html)
    body = LexborHTMLParser(f"<!doctype html><body>{html}").body
    assert body is not None
    for node in body.traverse(include_text=False):
        attributes = node.attributes
        if node.tag == "body":
            continue
        if node.tag not in ELEMENTS:
            yield f"element {node.tag}"
        if set(attributes) - (LINK if node.tag == "a" else {"start"} if node.tag == "ol" else set()):
            yield f"attributes {attributes}"
        if node.tag == "a" and not {"nofollow", "ugc", "noopener"} <= set((attributes.get("rel") or "").split()):
            yield f"a link that vouches for what it leads to: {attributes}"


def test_the_check_finds_what_it_should() -> None:
    for html in ("<img src=https://a.example>", "<h1>x</h1>", "<a href=https://a.example>x</a>", "<p class=x>x</p>"):
        assert list(harm(html)), html
    assert not list(harm('<p>x <a href="https://a.example" rel="noopener nofollow ugc">y</a></p>'))


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_each_vector(vector: str) -> None:
    contexts = (vector, f"a {vector} b", f"> * {vector}\n\n`{vector}`", f"[{vector}](https://a.example/{vector})")
    for text in contexts:
        for read in (render_markdown, clean_html):
            try:
                body = read(text)
            except ValueError:
                continue  # it shows nothing, or is beyond all bounds: refused as a whole
            assert list(harm(body.html)) == [], body.html
            assert all(is_harmless(link) for link in body.links), body.links


def every_html(answer: Any) -> Iterator[str]:
    """All values that are named `html`."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            if name == "html" and isinstance(value, str):
                yield value
            yield from every_html(value)
    elif isinstance(answer, list):
        for value in answer:
            yield from every_html(value)


def read_all(client: TestClient, urls: list[str], headers: Headers) -> list[str]:
    """The HTML in what is answered at these addresses; each answer must be JSON and called nothing else."""
    found = []
    for url in urls:
        answer = client.get(url, headers=headers)
        assert answer.headers["content-type"].startswith("application/json"), url
        assert answer.headers["x-content-type-options"] == "nosniff", url
        found += list(every_html(ok(answer)))
    return found


def test_every_field_of_a_discussion(client: TestClient, editor: Headers, make_key: Any) -> None:
    moderator, any_version = make_key("comments:moderate", "content:publish"), {"If-Match": "*"}
    article = make.published(client, editor, body={"html": "<p>One &lt;b&gt; two.</p>"})
    url = f"/v1/articles/{article['id']}"
    texts = [sendable(vector)[:2000] for vector in VECTORS]
    ids, mine = [], {}
    for text in texts:
        name = " ".join(text.split())[:60] or "x"
        guest = make.guest(client)
        answer = client.post(f"{url}/comments", json={"text": text, "author": {"name": name}}, headers=guest)
        if answer.status_code == 422:
            body = {"text": text, "author": {"name": "Ida"}}
            answer = client.post(f"{url}/comments", json=body, headers=guest)
        if answer.status_code == 201:
            ids.append(answer.json()["id"])
            mine = answer.json()
    assert len(ids) > len(texts) * 0.8
    for text in texts[:8]:
        said = {"reason": "other", "text": text}
        assert client.post(f"/v1/comments/{ids[0]}/reports", json=said).status_code == 202
        assert client.post(f"{url}/reports", json=said, headers=make.guest(client)).status_code == 202
    any_prompt = {"prompt": " ".join(texts[0].split())[:300]}
    ok(client.put(f"{url}/discussion", json=any_prompt, headers={**moderator, **any_version}))
    asked = {"exact": "One <b> two.", "question": "<img src=x onerror=alert(1)>"}
    assert client.post(f"{url}/anchors", json=asked, headers=editor).status_code == 201
    ok(client.post(f"/v1/comments/{mine['id']}/reject", json={"reason": texts[5]}, headers=moderator))
    own = bearer(mine["edit_token"])
    ok(client.post(f"/v1/comments/{mine['id']}/appeal", json={"text": texts[6]}, headers=own), 201)
    pages = [f"{url}/comments?view={view}&limit=100" for view in ("threads", "all", "inline")]
    pages += [f"/v1/comments/{one}" for one in ids[:-1]] + [url, f"{url}/anchors", f"{url}/discussion"]
    seen = read_all(client, pages, {})
    desk = ["/v1/moderation/queue?limit=100", "/v1/moderation/reports?limit=100", "/v1/moderation/log?limit=100"]
    seen += read_all(client, desk, moderator)
    seen += read_all(client, [f"/v1/comments/{mine['id']}", f"/v1/comments/{mine['id']}/decision"], own)
    assert len(seen) > 2 * len(ids)
    assert [fault for html in seen for fault in harm(html)] == []


def test_what_was_imported(client: TestClient, editor: Headers, db: Database, tmp_path: Path) -> None:
    article = make.published(client, editor)
    path = tmp_path / "disqus.xml"
    texts = [sendable(vector).replace("]]>", "]] >") for vector in VECTORS]
    posts = [post(n, 1, message=text) for n, text in enumerate(texts, 1)]
    posts = [one.replace("T10:00:", "T10:").replace("Z]]", ":00Z]]") for one in posts]
    path.write_text(disqus(thread(1, f"https://quay.example/{article['slug']}/"), *posts), "utf-8")
    report = import_disqus(db, path, Site("https://site.example", "/{section}/{slug}"), dry_run=False)
    report.close()
    url = f"/v1/articles/{article['id']}/comments?view=all&limit=100"
    seen = read_all(client, [url], {})
    assert len(seen) > len(texts) * 0.5
    assert [fault for html in seen for fault in harm(html)] == []

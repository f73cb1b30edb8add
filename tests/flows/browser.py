"""Thousands of vectors through every field into every output, opened in Chromium: nothing may run.

`make browser` runs it; the name keeps it out of the other tests, which need no browser.
"""

import contextlib
import html
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.comments.rendering import clean_html
from app.core.settings import Settings
from app.main import create_app
from tests import make
from tests.flows.test_xss import render, sendable
from tests.flows.vectors import make_vectors
from tests.mail.post import Mailbox, serving, token_in, work
from tests.make import Headers

NUMBER, SEED = int(os.environ.get("VECTORS", "2000")), int(os.environ.get("SEED", "1"))
FRAMES = 40  # open at a time
SECONDS = 3600  # for all of them
_PAGE = """<!doctype html><title>0</title><body><script>
const total = TOTAL, each = FRAMES;
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
function stir(doc) {
  for (const node of doc.querySelectorAll('*')) {
    for (const {name} of node.attributes)
      if (/^on/i.test(name)) node.dispatchEvent(new Event(name.slice(2).toLowerCase()));
    try { if (/^(a|area|button|summary|input)$/i.test(node.localName)) node.click(); } catch {}
    try { if (/^form$/i.test(node.localName)) node.submit(); } catch {}
  }
}
(async () => {
  for (let first = 0; first < total; first += each) {
    const frames = [];
    for (let n = first; n < Math.min(total, first + each); n++) {
      const frame = document.createElement('iframe');
      frame.src = '/o/' + n;
      frames.push([frame, Promise.race([new Promise((done) => frame.onload = done), wait(3000)])]);
      document.body.append(frame);
    }
    await Promise.all(frames.map(([, loaded]) => loaded));
    for (const [frame] of frames) try { stir(frame.contentDocument); } catch {}
    await wait(50);
    for (const [frame] of frames) try {  // what a page makes of its own serialisation
      const doc = frame.contentDocument;
      if (doc.contentType === 'text/html') { doc.body.innerHTML = doc.body.innerHTML; stir(doc); }
    } catch {}
    await wait(50);
    for (const [frame] of frames) frame.remove();
  }
  await fetch('/done');
})();
</script>"""


class Outputs:
    """Distinct documents that a browser might be given."""

    def __init__(self) -> None:
        self.documents: list[tuple[str, bytes, str]] = []  # media type, content, where it is from
        self._fragments: list[str] = []
        self._seen: set[tuple[str, bytes]] = set()
        self._answers = 0

    def add(self, media_type: str, content: bytes | str, where: str) -> None:
        """Add a document, unless it is known."""
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        if (media_type, data) not in self._seen:
            self._seen.add((media_type, data))
            self.documents.append((media_type, data, where))

    def add_fragment(self, fragment: str, where: str) -> None:
        """Add HTML that a front end puts into its page, to the next document of such."""
        if ("", fragment.encode("utf-8", "replace")) not in self._seen:
            self._seen.add(("", fragment.encode("utf-8", "replace")))
            self._fragments.append(f"<div title='{html.escape(where)}'>{fragment}</div>")

    def close_page(self, where: str) -> None:
        """Make a document of the fragments since the last one: each is whole, and a document each takes long."""
        if self._fragments:
            self.add("text/html; charset=utf-8", f"<!doctype html><body>{''.join(self._fragments)}", where)
            self._fragments.clear()

    def add_answer(self, answer: Any, where: str) -> None:
        """Add an answer as it is, and what a front end makes of the HTML, Markdown and addresses in its JSON."""
        kind = answer.headers.get("content-type", "text/html")
        is_json, self._answers = kind.partition(";")[0].endswith("json"), self._answers + 1
        if "html" in kind or "xml" in kind or self._answers % 40 == 0:  # a browser shows the others as text
            self.add(kind, answer.content, where)
        if is_json:
            for name, text in _strings(answer.json()):
                if name in {"html", "bio_html", "content_html", "body_html", "text_html"}:
                    self.add_fragment(text, f"{where} {name}")
                elif name == "markdown":
                    self.add_fragment(render(text), f"{where} {name}")
                elif name in {"href", "src", "url", "link", "canonical_url"}:
                    self.add_fragment(
                        f'<a href="{html.escape(text)}">x</a><iframe src="{html.escape(text)}"></iframe>', name
                    )


def _strings(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for inner, part in value.items():
            yield from _strings(part, inner)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part, name)


class Pages:
    """A site that serves documents, and notes each one in which something ran."""

    def __init__(self, documents: list[tuple[str, bytes, str]]) -> None:
        self.hits: set[int] = set()
        self.opened: set[int] = set()
        self.done = threading.Event()
        pages, page = self, _PAGE.replace("TOTAL", str(len(documents))).replace("FRAMES", str(FRAMES)).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, content = "text/plain", b""
                if self.path == "/":
                    kind, content = "text/html; charset=utf-8", page
                elif self.path == "/done":
                    pages.done.set()
                elif found := re.fullmatch(r"/o/(\d+)", self.path):
                    kind, content, _ = documents[int(found[1])]
                    pages.opened.add(int(found[1]))
                elif self.path.lower().startswith("/hit"):
                    source = re.search(r"/o/(\d+)", self.headers.get("referer", ""))
                    pages.hits.add(int(source[1]) if source else -1)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("X-Content-Type-Options", "nosniff")
                self.send_header("Referrer-Policy", "unsafe-url")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def open_all(documents: list[tuple[str, bytes, str]], profile: Path) -> Pages:
    """Open every document in Chromium."""
    pages = Pages(documents)
    thread = threading.Thread(target=pages.server.serve_forever)
    thread.start()
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "make browser needs chromium"
    options = (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={profile}",
    )
    limits = ("--disable-popup-blocking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    address = f"http://127.0.0.1:{pages.server.server_port}/"
    process = subprocess.Popen(
        [program, *options, *limits, "--remote-debugging-port=0", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert pages.done.wait(SECONDS), f"the browser opened {len(pages.opened)} of {len(documents)}"
    finally:
        process.terminate()
        process.wait(30)
        pages.server.shutdown()
        pages.server.server_close()
        thread.join()
    return pages


@contextmanager
def publication(settings: Settings) -> Iterator[tuple[TestClient, Mailbox]]:
    """A server with mail."""
    mailbox = Mailbox()
    with serving(mailbox) as port:
        own = settings.model_copy(update={"smtp_url": f"smtp://127.0.0.1:{port}", "api_url": "https://api.example"})
        with TestClient(create_app(own, with_worker=False), raise_server_exceptions=False) as client:
            yield client, mailbox


def _one_line(text: str, most: int) -> str:
    return " ".join(sendable(text).split())[:most] or "x"


class Newsroom:
    """Puts a vector into every field, and reads every output."""

    def __init__(self, client: TestClient, mailbox: Mailbox, key: Headers, outputs: Outputs) -> None:
        self._client, self._mailbox, self._key, self._outputs = client, mailbox, key, outputs
        self.accepted = 0

    def _send(self, method: str, url: str, body: Any, headers: Headers | None = None) -> Any:
        answer = self._client.request(
            method, url, json=body, headers={**(self._key if headers is None else headers), "If-Match": "*"}
        )
        assert answer.status_code < 500, (url, body)
        self.accepted += answer.status_code < 300
        self._outputs.add_answer(answer, f"{method} {url}")
        return answer.json() if answer.status_code < 300 and answer.content else {}

    def read(self, url: str, headers: Headers | None = None) -> None:
        """Read an output."""
        self._outputs.add_answer(self._client.get(url, headers=headers or {}), url)

    def tell(self, number: int, vector: str) -> None:
        """One vector through the fields of an article, of what it stands under, and of its discussion."""
        line, text, name = _one_line(vector, 300), sendable(vector), _one_line(vector, 60)
        words = {"name": f"{name} {number}", "slug": f"n{number}"}
        author = self._send("POST", "/v1/authors", {**words, ("bio_html", "bio_text")[number % 2]: text})
        section = self._send("POST", "/v1/sections", {**words, "description": line, "slug": f"s{number}"})
        article = {"title": line, "dek": line, "tags": [name], "authors": [author.get("id")] if author else []}
        article |= {"section": section["id"]} if section else {}
        article |= {
            "body": {("html", "markdown")[number % 2]: text},
            "rights": {"usage_terms": line, "copyright_holder": name},
        }
        made = self._send("POST", "/v1/articles", {**article, "custom": {"x": text}, "slug": f"a{number}"})
        if not made:
            return
        url = f"/v1/articles/{made['id']}"
        self._send("POST", f"{url}/publish", None)
        self._send("POST", f"{url}/corrections", {"text": text})
        self._send("PUT", f"{url}/discussion", {"prompt": line})
        self._send(
            "POST",
            "/v1/notices",
            {"scope": "article", "target_id": made["id"], "placement": "both", ("text", "html")[number % 2]: text},
        )
        said = self._send("POST", f"{url}/comments", {"text": text, "author": {"name": name}}, {})
        if said:
            own = make.bearer(said["edit_token"])
            self._send("POST", f"/v1/comments/{said['id']}/reports", {"reason": "other", "text": text}, {})
            self._send("POST", f"/v1/comments/{said['id']}/reject", {"reason": text})
            self._send("POST", f"/v1/comments/{said['id']}/appeal", {"text": text}, own)
            self._send("POST", f"/v1/comments/{said['id']}/restore", {"reason": line})
        with contextlib.suppress(ValueError):  # it shows nothing, or is beyond all bounds
            self._outputs.add_fragment(clean_html(text).html, "imported comment")
        self.read(f"{url}?formats=html,markdown,blocks,text&include=comments")
        for suffix in ("jsonld", "ninjs", "md", "txt"):
            self.read(f"{url}.{suffix}")
        structured = self._client.get(f"{url}.jsonld").text
        self._outputs.add_fragment(
            f'<script type="application/ld+json">{structured}</script>', f"{url}.jsonld in a page"
        )
        for form in ("json", "xml"):
            self.read(f"/oembed?url=https://site.example/s{number}/a{number}&format={form}")
        for form in ("rss", "atom", "json"):
            self.read(f"/feeds/articles/{made['id']}/comments.{form}")
        if number % 20 == 19:
            self.read_feeds()
        self._outputs.close_page(f"vector {number}")

    def read_feeds(self) -> None:
        """Read what holds many articles, and the mails about them."""
        for form in ("rss", "atom", "json"):
            self.read(f"/feeds/site.{form}")
        for url in (
            "/sitemap-news.xml",
            "/v1/articles?formats=html,markdown",
            "/v1/search?q=x&formats=html",
            "/v1/tags",
        ):
            self.read(url)
        for url in ("/v1/moderation/queue?state=any", "/v1/moderation/reports", "/v1/moderation/log"):
            self.read(url, self._key)
        work(self._client)
        for message in self._mailbox.mails:
            for part in message.walk():
                if part.get_content_type() == "text/html":
                    self._outputs.add("text/html; charset=utf-8", part.get_content(), f"mail {message['subject']}"[:60])
        self._mailbox.mails.clear()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_runs(settings: Settings, admin: Headers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors, outputs = list(make_vectors(NUMBER, SEED)), Outputs()
    raw = [("text/html; charset=utf-8", f"<!doctype html><body>{vector}".encode(), "raw") for vector in vectors[:400]]
    alive = open_all(raw, tmp_path / "first")
    assert len(alive.hits) > len(raw) / 6, "the vectors are dead, or the browser does not run them"
    with publication(settings) as (client, mailbox):
        body = {"email": "di@mail.example", "kind": "comments.all", "target": {"type": "site"}}
        for kind in ("articles.published", "comments.all"):
            client.post("/v1/subscriptions", json={**body, "kind": kind})
            work(client)
        for message in list(mailbox.to("di@mail.example")):
            client.post("/v1/subscriptions/confirm", json={"token": token_in(message)})
        newsroom = Newsroom(client, mailbox, admin, outputs)
        for number, vector in enumerate(vectors):
            newsroom.tell(number, vector)
    pages = open_all(outputs.documents, tmp_path / "second")
    ran = sorted(f"{outputs.documents[n][2]}: {outputs.documents[n][1][:600]!r}" for n in pages.hits if n >= 0)
    counts = {"vectors": len(vectors), "accepted writes": newsroom.accepted, "raw": len(alive.hits), "of": len(raw)}
    with capsys.disabled():
        print(json.dumps({**counts, "documents": len(outputs.documents), "opened": len(pages.opened)}))  # noqa: T201
    assert not pages.hits, "\n\n".join(ran[:20])
    assert len(pages.opened) == len(outputs.documents)

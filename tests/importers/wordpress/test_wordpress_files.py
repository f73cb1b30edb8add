"""Whole exports: all that was public is there, nothing else is, and once is enough."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from starlette.testclient import TestClient

from app.core.clock import format_rfc3339
from app.db import Database
from app.importers.streams import BrokenFile
from app.importers.wordpress.content import convert_content
from app.importers.wordpress.reader import read
from app.importers.wordpress.records import Author, Item
from tests.effort import IS_LONG, Portion, some
from tests.importers.discussion.counting import check_counters, stored
from tests.importers.wordpress.exports import FILES, HARBOUR, Loaded, author, comment, dump, export, item
from tests.make import Headers, ok

pytestmark = pytest.mark.portable

EXPECTED: dict[str, dict[str, dict[str, int]]] = {
    "harbour": {
        "authors": {"came": 2, "new": 2},
        "categories": {"came": 2, "new": 2},
        "tags": {"came": 1, "new": 1},
        "attachments": {"came": 1, "new": 1},
        "posts": {"came": 11, "new": 10, "skipped": 1, "altered": 8},
        "pages": {"came": 2, "new": 2},
        "nav_menu_item": {"came": 1, "skipped": 1},
        "wp_block": {"came": 1, "skipped": 1},
        "tide": {"came": 1, "refused": 1},
        "comments": {"came": 5, "new": 5, "altered": 2},
    },
    "wordpress-theme-unit-test": {
        "authors": {"came": 2, "new": 2},
        "categories": {"came": 68, "new": 67, "skipped": 1},
        "tags": {"came": 114, "new": 114},
        "attachments": {"came": 37, "new": 35, "skipped": 2, "altered": 17},
        "posts": {"came": 58, "new": 58, "altered": 48},
        "pages": {"came": 21, "new": 21},
        "nav_menu_item": {"came": 70, "skipped": 70},
        "comments": {"came": 29, "new": 29, "altered": 1},
    },
}
COMMENTS = {
    "harbour": {
        "comment, approved: published": 2,
        "comment, deleted: removed, without text and author": 1,
        "comment, spam: spam, never shown": 1,
        "comment, pending: pending": 1,
        "pingback, not a reader's comment: not imported": 1,
    },
    "wordpress-theme-unit-test": {
        "comment, approved: published": 26,
        "comment, pending: pending": 3,
        "pingback, not a reader's comment: not imported": 2,
        "trackback, not a reader's comment: not imported": 2,
    },
}


def words(html: str) -> Counter[str]:
    visible = re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)
    return Counter(re.findall(r"\w+", unescape(re.sub(r"<[^<>]*>", " ", visible))))


def public_items(path: Path) -> list[Item]:
    found = [record for record in read(path) if isinstance(record, Item)]
    return [item for item in found if item.type in {"post", "page"} and item.is_public]


def all_articles(client: TestClient, headers: Headers | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    url = (
        "/v1/articles?limit=100&state=all&type=article,page" if headers else "/v1/articles?limit=100&type=article,page"
    )
    page = ok(client.get(url, headers=headers or {}))
    found += page["data"]
    assert page["page"]["next"] is None
    return found


def check_readable(client: TestClient, path: Path) -> None:
    """Everything public can be read as it was there."""
    names = {record.login: record.display_name for record in read(path) if isinstance(record, Author)}
    items = public_items(path)
    assert len(all_articles(client)) == len(items) > 0
    for it in items:
        slug = it.slug if "%" not in it.slug else "no-number-and-an-impossible-day"
        article = ok(client.get(f"/v1/articles/{slug}"))
        categories = {label.slug: label.name for label in it.labels("category") if label.slug != "uncategorized"}
        section, tags = article["section"], {tag["name"].casefold() for tag in article["tags"]}
        assert (section["slug"] in categories) if categories else section is None
        others = {name for slug, name in categories.items() if slug != section["slug"]}
        assert tags == {name.casefold() for name in {label.name for label in it.labels("post_tag")} | others}
        assert [author["name"] for author in article["authors"]] == ([names[it.creator]] if it.creator else [])
        assert article["type"] == {"post": "article", "page": "page"}[it.type]
        assert article["featured"] is it.sticky
        if it.published_at:
            assert article["published_at"] == format_rfc3339(it.published_at)
            assert article["updated_at"] == format_rfc3339(max(it.published_at, it.modified_at or it.published_at))
        assert words(re.sub("<[^<>]*>", "", it.title)) <= words(article["title"])
        lost = words(convert_content(it.content).html) - words(article["body"]["html"])
        assert not lost, (slug, lost)


def check_old_paths(client: TestClient, path: Path) -> None:
    """Former addresses lead to what stands there now."""
    places = {article["title"]: article["url"] for article in all_articles(client)}
    checked, portion = 0, Portion(25)
    for it in public_items(path):
        if urlsplit(it.link).path.strip("/") and (it.link in portion or not checked):
            for there in (urlsplit(it.link).path, unquote(urlsplit(it.link).path).rstrip("/")):
                found = ok(client.get("/v1/resolve", params={"path": there}))
                place = found["location"] if found["status"] == 301 else found["article"]["url"]
                assert place.endswith(f"/{it.slug}")
                assert place in places.values()
                checked += 1
    assert checked > 0


# PostgreSQL takes our own file alone, unless all cases are asked for: the other one is large, and differs in its texts.
@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem, marks=[] if path == HARBOUR else pytest.mark.large) for path in FILES]
)
def test_a_whole_export(client: TestClient, db: Database, path: Path) -> None:
    """All that is public comes, a dry run tells the same and does nothing, and importing twice changes nothing.

    Our own file holds every kind of thing; the large one is tried dry and again with `LONG=1` alone.
    """
    is_tried_again = path == HARBOUR or IS_LONG
    empty = dump(db)
    dry = Loaded(db, path, dry_run=True) if is_tried_again else None
    assert dump(db) == empty
    real = Loaded(db, path)
    kinds = {kind: real.counts(kind) for kind in real.summary["kinds"]}
    assert kinds == EXPECTED[path.stem]
    assert real.summary["comments"] == COMMENTS[path.stem]
    if dry:
        assert {**dry.summary, "dry_run": False} == real.summary
        assert dry.lines == real.lines
    assert real.failures == 0
    once = dump(db)
    assert once != empty
    check_readable(client, path)
    check_old_paths(client, path)
    check_counters(db)
    assert len(stored(db)) > 0
    if not is_tried_again:
        return
    again = Loaded(db, path)
    assert dump(db) == once
    assert again.outcomes() <= {"unchanged", "skipped", "refused"}
    assert again.counts("posts")["unchanged"] > 0
    assert not any(line.outcome != "refused" for line in again.lines)


def test_a_broken_file_leaves_the_store_untouched(db: Database, tmp_path: Path) -> None:
    empty = dump(db)
    whole = HARBOUR.read_text("utf-8")
    for at, wrong in ((whole.rindex("</channel>"), "<oops>"), (whole.rindex("<item>"), "\x01")):
        path = tmp_path / "broken.xml"
        path.write_text(whole[:at] + wrong + whole[at:], "utf-8")
        with pytest.raises(BrokenFile, match=f"line {whole[:at].count(chr(10)) + 1}"):
            Loaded(db, path)
        assert dump(db) == empty


SECRET = "zebrafish"  # stands in everything that nobody may see, as part of a longer word
PRIVATE = [
    ("private", {"status": "private"}),
    ("draft", {"status": "draft"}),
    ("pending", {"status": "pending"}),
    ("future", {"status": "future", "post_date_gmt": "2099-05-05 05:05:05"}),
    ("password", {"post_password": f"{SECRET}-word"}),
    ("page", {"status": "private", "post_type": "page"}),
    ("odd", {"status": "in-progress"}),
    ("trash", {"status": "trash"}),
    ("kind", {"post_type": "memo"}),
    ("block", {"post_type": "wp_block", "status": "draft"}),
]
UNSEEN: list[dict[str, Any]] = [
    {"comment_approved": "0"},
    {"comment_approved": "spam"},
    {"comment_approved": "trash"},
    {"comment_approved": "odd"},
    {"comment_type": "pingback"},
    {"comment_type": "note"},
]
COMMENTERS = comment(1, comment_author_email=f"{SECRET}@mail.example", comment_author_IP=SECRET) + "".join(
    comment(number, comment_author=SECRET, comment_content=SECRET, **fields)
    for number, fields in enumerate(UNSEEN, start=2)
)


def mixed(path: Path) -> Path:
    """One public post among others that are not, each with the secret in every text."""
    hidden = [
        item(
            number,
            **{
                "title": f"{SECRET}-title {name}",
                "content": f"{SECRET}-text {name}",
                "excerpt": f"{SECRET}-excerpt",
                "post_name": f"{SECRET}-slug-{name}",
                "link": f"https://quay.example/2020/{SECRET}-path-{name}/",
                "creator": "open",
                "terms": [("category", "news"), ("post_tag", "tide")],
                **fields,
            },
        )
        for number, (name, fields) in enumerate(PRIVATE, start=10)
    ]
    shown = item(
        1,
        creator="open",
        terms=[("category", "news"), ("post_tag", "tide")],
        content='Seen. <!-- wp:block {"ref":19} /-->',
        meta=[("_edit_lock", SECRET), ("note", SECRET)],
        more=COMMENTERS,
    )
    users = (
        f"<wp:author><wp:author_login>open</wp:author_login><wp:author_email>{SECRET}@mail.example</wp:author_email>"
    )
    users += "<wp:author_display_name>Open Author</wp:author_display_name></wp:author>"
    return export(
        path, users, author(f"{SECRET}@mail.example", f"{SECRET}@mail.example"), *hidden[:5], shown, *hidden[5:]
    )


def public_urls(client: TestClient, ids: list[str]) -> Iterator[str]:
    """Every GET of the API that needs no key, with every filter, and the ways to what is not public."""
    refs = ["slug-1", *(f"{SECRET}-slug-{name}" for name, _ in PRIVATE), *ids]
    values = {"section": "news", "tag": "tide", "author": "open-author", "type": "page", "language": "en-GB"}
    values |= {"featured": "false", "published_after": "1990-01-01T00:00:00Z", "exclude": "x", "count": "exact"}
    values |= {"sort": "-updated_at", "formats": "html,text,markdown,blocks", "ids": ",".join(refs), "state": "all"}
    for ref in refs:
        yield from (f"/v1/articles/{ref}{tail}" for tail in ("", "/neighbours", "?include=neighbours", "?revision=1"))
        yield f"/v1/articles/{ref}/revisions"
    yield from (f"/v1/articles?{name}={value}" for name, value in values.items())
    for nouns in ("sections", "tags", "authors", "series"):
        yield from (f"/v1/{nouns}", f"/v1/{nouns}?sort=-articles&count=exact")
        yield from (f"/v1/{nouns}/{row['slug']}" for row in ok(client.get(f"/v1/{nouns}"))["data"])
    yield from (f"/v1/resolve?path=/2020/{SECRET}-path-{name}" for name, _ in PRIVATE)
    yield from (f"/v1/resolve?path=/{SECRET}-slug-{name}" for name, _ in PRIVATE)
    yield from (path for path, verbs in client.get("/openapi.json").json()["paths"].items() if "get" in verbs)


def test_nothing_private_is_anywhere(
    client: TestClient, db: Database, database_url: str, editor: Headers, tmp_path: Path
) -> None:
    loaded = Loaded(db, mixed(tmp_path / "mixed.xml"))
    mine = all_articles(client, editor)
    assert len(mine) == 8
    assert Counter(article["state"] for article in mine) == {"published": 1, "draft": 6, "scheduled": 1}
    urls = public_urls(client, [row["id"] for row in mine if row["state"] != "published"])
    for url in some(urls, database_url, 50):
        answer = client.get(url, follow_redirects=False)
        said = answer.text.replace(url, "") + str(dict(answer.headers))
        assert SECRET not in said, url
        if url.startswith(("/v1/articles/", "/v1/resolve?")) and not re.search("/slug-1|{|revision", url):
            nowhere = client.get(re.sub(r"[^/?=]*(?=$|/neighbours|\?include)", "nowhere", url, count=1))
            assert answer.status_code == nowhere.status_code == 404, url
            assert {**answer.json(), "request_id": ""} == {**nowhere.json(), "request_id": ""}
    for noun, slug in (("sections", "news"), ("tags", "tide"), ("authors", "open-author")):
        assert ok(client.get(f"/v1/{noun}/{slug}"))["articles"] == 1
    assert ok(client.get("/v1/articles?count=exact"))["page"]["total"] == 1
    assert ok(client.get("/v1/articles/slug-1"))["body"]["html"].strip() == "<p>Seen.</p>"
    report = json.dumps([loaded.summary, *(line for line in loaded.lines)])
    assert "@" not in report
    assert f"{SECRET}-word" not in report
    stored = dump(db)
    assert f"{SECRET}@" in json.dumps([stored.pop("comment"), stored.pop("participant")])
    everything = json.dumps(stored)
    assert f"{SECRET}@" not in everything
    assert f"{SECRET}-word" not in everything

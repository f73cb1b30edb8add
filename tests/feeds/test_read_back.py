"""Feeds read back: `feedparser` finds the titles, dates, links, authors and texts that were written."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from app.core.clock import format_rfc3339
from app.feeds import xml
from app.feeds.entries import MAX_FEED_BYTES, render_feed, write_entry
from app.feeds.schemas import Deleted, Entry, Feed, Picture, Replies, to_uri, to_urn
from app.feeds.xml import add_child, drop_illegal, make_root
from tests.feeds.readback import found, parsed

ARTICLE = "0199aaaa-0000-7000-8000-000000000000"
HOSTILE = [
    "<b>bold</b> & <script>alert(1)</script>",
    "]]> ends CDATA ]]&gt;",
    "</title></item></channel></rss>",
    "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿",
    "مرحبا \u202e RTL",
    "w" * 5000,
    "&amp; &lt;twice&gt; &#0; &nbsp;",
    "\ufffe noncharacters \uffff and controls \x00\x08\x1b",
]
TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n"), min_size=1, max_size=60),
)

NAME = TEXT.map(lambda text: " ".join(text.split())).filter(bool)  # as names and titles are stored


def is_read(seen: str, text: str) -> bool:
    """Return whether a parsed text equals this one, apart from illegal characters and surrounding white space.

    Where it can, `feedparser` decodes some elements once too often: they might have been encoded twice.
    """
    whole = drop_illegal(text).strip()
    with contextlib.suppress(UnicodeError):
        return seen.strip() in (whole, whole.encode("latin-1").decode())
    return seen.strip() == whole


def entry(title: str = "T", html: str = "<p>x</p>", **fields: Any) -> Entry:
    times = {"published": "2026-01-31T12:00:00.250000Z", "updated": "2026-02-01T12:00:00Z"}
    own = {"id": to_urn(ARTICLE), "url": "https://site.example/a", "summary": "S", **times}
    return Entry(title=title, html=html, **{**own, **fields})


def feed(**fields: Any) -> Feed:
    own = {"title": "F", "description": "D", "page": "https://site.example/", "url": "https://api.example/feeds/site.x"}
    return Feed(**{**own, "updated": "2026-02-01T12:00:00Z", "author": "The Example", **fields})


def wrote(form: str, *entries: Entry, **fields: Any) -> bytes:
    """Render a feed."""
    return render_feed(form, feed(**fields), [write_entry(form, one) for one in entries])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NAME, TEXT, NAME, NAME, st.integers(10**7, 7 * 10**9))
def test_what_goes_in_comes_out(title: str, html: str, author: str, term: str, at: int) -> None:
    published = datetime.fromtimestamp(at + 0.25, UTC)
    updated = published + timedelta(hours=1)
    one = entry(
        title,
        html,
        summary=html,
        authors=(author,),
        terms=(("slug", term),),
        published=format_rfc3339(published),
        updated=format_rfc3339(updated),
    )
    for form in ("rss", "atom"):
        read = parsed(wrote(form, one, title=title, description=html))
        (item,) = read.entries
        assert is_read(item.title, title)
        assert is_read(read.feed.title, title)
        assert is_read(item.content[0].value if "content" in item else "", html)
        told = item.get("summary", "")
        assert is_read(unescape(told) if form == "rss" else told, html)
        assert (item.id, item.link) == (one.id, one.url)
        (name,) = item.authors
        assert is_read(name.name, author)
        assert any(is_read(tag.label or tag.term, term) for tag in item.tags)
        seconds = published.replace(microsecond=0)
        assert datetime(*item.published_parsed[:6], tzinfo=UTC) == seconds
        assert datetime(*item.updated_parsed[:6], tzinfo=UTC) == updated.replace(microsecond=0)
    document = json.loads(wrote("json", one, title=title))
    (item,) = document["items"]
    assert (item["title"], item["content_html"], item["authors"]) == (title, html, [{"name": author}])
    assert datetime.fromisoformat(item["date_published"]) == published


@given(st.text())
def test_no_text_breaks_a_document(text: str) -> None:
    document = make_root("a", {})
    add_child(document, "b", text, c=text)
    child = etree.fromstring(xml.serialize(document))[0]
    assert (child.text or "") == drop_illegal(text)
    assert " ".join(child.get("c", "").split()) == " ".join(drop_illegal(text).split())


@pytest.mark.parametrize("form", ["rss", "atom", "json"])
def test_a_feed_stays_under_a_megabyte_and_says_what_it_left_out(form: str) -> None:
    """The oldest texts are shortened first; the limit is one of bytes, escapes included."""
    texts = [entry(f"T{n}", f"<p>{n} " + "<i>é</i>" * 3000 + "</p>", summary=f"Short {n} <") for n in range(50)]
    body = wrote(form, *texts)
    assert 700_000 < len(body) < MAX_FEED_BYTES
    if form == "json":
        bodies = [item["content_html"] for item in json.loads(body)["items"]]
    else:
        bodies = found(body, "//*[local-name()='encoded' or local-name()='content']/text()")
    short = [n for n, text in enumerate(bodies) if "Read all of it" in text]
    assert len(bodies) == 50
    assert short == list(range(50 - len(short), 50))
    assert bodies[0] == texts[0].html
    assert bodies[49] == '<p>Short 49 &lt;</p>\n<p><a href="https://site.example/a">Read all of it</a></p>'
    heavy = [entry(f"T{n}", "", summary="&" * 30_000) for n in range(50)]
    assert len(wrote(form, *heavy)) < MAX_FEED_BYTES
    assert wrote("atom", *heavy, archive=True).count(b"<entry>") == 50


def test_rss_has_what_readers_look_for() -> None:
    picture = Picture("https://api.example/media/a.jpg", "image/jpeg", 640, None, "Alt", "Caption", "")
    replies = Replies("https://site.example/a#comments", "https://api.example/feeds/articles/a/comments", 3)
    one = entry(image=picture, replies=replies, rights="© A", language="de", summary="a < b")
    content = wrote("rss", one, hubs=("https://api.example/hub",))
    links = {node.get("rel"): node.get("href") for node in found(content, "//channel/atom:link")}
    assert links == {"self": "https://api.example/feeds/site.x", "hub": "https://api.example/hub"}
    item = parsed(content).entries[0]
    assert item.media_content == [
        {"url": picture.url, "medium": "image", "type": "image/jpeg", "width": "640"},
    ]
    assert (item.slash_comments, item.comments, item.wfw_commentrss) == ("3", replies.page, f"{replies.feed}.rss")
    assert (item.rights, item.guidislink) == ("© A", False)
    assert item.summary == "a &lt; b", "HTML, for that is what readers take it for"
    assert found(content, "//language/text()") == ["de"]
    assert parsedate_to_datetime(item.published) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert b"<language>" not in wrote("rss", one, entry(language="en")), "a feed in two languages names none"


def test_atom_has_threads_tombstones_and_archives() -> None:
    replies = Replies("https://site.example/a#comments", "https://api.example/feeds/articles/a/comments", 3)
    gone = Deleted(to_urn(ARTICLE), "2026-01-01T00:00:00Z", "Wrong ]]> & all")
    answer = entry(answers=(to_urn(ARTICLE), "https://site.example/a"), language="fr")
    links = {"prev-archive": "https://api.example/feeds/archive/2025-12.atom"}
    content = wrote("atom", entry(replies=replies, language="en"), answer, deleted=(gone,), links=links, archive=True)
    (stone,) = found(content, "//at:deleted-entry")
    assert (stone.get("ref"), stone.get("when"), stone[0].text) == (gone.id, gone.at, gone.reason)
    (link,) = found(content, "//atom:link[@rel='replies']")
    assert (link.get("href"), link.get(f"{{{link.nsmap['thr']}}}count")) == (f"{replies.feed}.atom", "3")
    assert found(content, "//thr:total/text()") == ["3"]
    (reply,) = found(content, "//thr:in-reply-to")
    assert (reply.get("ref"), reply.get("href")) == answer.answers
    assert found(content, "//atom:link[@rel='prev-archive']/@href") == list(links.values())
    assert len(found(content, "/atom:feed/fh:archive")) == 1
    assert found(content, "//atom:entry/@xml:lang") == ["en", "fr"]
    assert b"tombstones" not in wrote("atom", entry()), "namespaces that are not used are not there"


def test_json_feed_keeps_its_rules() -> None:
    """Check names and types of members as JSON Feed 1.1 requires them."""
    document = json.loads(wrote("json", entry(html="", language="en"), hubs=("https://api.example/hub",)))
    kinds = {"version": str, "title": str, "home_page_url": str, "feed_url": str, "description": str, "language": str}
    kinds |= {"authors": list, "hubs": list, "items": list}
    assert {name: type(value) for name, value in document.items()} == kinds
    assert document["version"] == "https://jsonfeed.org/version/1.1"
    assert document["hubs"] == [{"type": "WebSub", "url": "https://api.example/hub"}]
    (item,) = document["items"]
    assert set(item) <= set(
        "id url external_url title content_html content_text summary image banner_image date_published date_modified "
        "authors tags language attachments".split()
    )
    assert {"id", "content_html"} <= set(item), "also where there is no text"
    assert all(type(value) is str for value in item.values())
    assert json.loads(wrote("json"))["items"] == []


def test_addresses_are_uris() -> None:
    assert to_uri("https://site.example/тег/日本-1?a=b#c") == (
        "https://site.example/%D1%82%D0%B5%D0%B3/%E6%97%A5%E6%9C%AC-1?a=b#c"
    )
    assert to_uri("https://site.example/%20/é") == "https://site.example/%20/%C3%A9"

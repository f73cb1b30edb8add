"""The rules of importing WordPress, one by one."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from app.articles.publishing import advance_due_articles
from app.articles.tables import Article
from app.db import Database
from app.db.columns import table_of
from app.importers import engine
from app.importers.tables import ImportExtra
from app.importers.wordpress.loader import import_wordpress
from app.search.indexing import index_article
from tests.importers.wordpress.exports import Loaded, author, category, dump, export, item, picture
from tests.make import Headers, act, ok, patched, section

pytestmark = pytest.mark.portable

ARTICLE = table_of(Article)
Import = Callable[..., Loaded]


@pytest.fixture
def imported(db: Database, tmp_path: Path) -> Import:
    """Import an export of these parts."""

    def run(*parts: str, dry_run: bool = False) -> Loaded:
        return Loaded(db, export(tmp_path / "export.xml", *parts), dry_run=dry_run)

    return run


def get(client: TestClient, slug: str, headers: Headers | None = None) -> dict[str, Any]:
    found: dict[str, Any] = ok(client.get(f"/v1/articles/{slug}", headers=headers or {}))
    return found


def where(client: TestClient, path: str) -> str:
    found = ok(client.get("/v1/resolve", params={"path": path}))
    return str(found["location"] if found["status"] == 301 else found["article"]["url"]).rpartition("/")[2]


def test_the_section_is_the_primary_category_else_the_deepest_else_the_first(
    client: TestClient, imported: Import
) -> None:
    terms = [("category", slug) for slug in ("uncategorized", "apples", "news", "port")]
    loaded = imported(
        category("port", parent="news", number=5),  # before its parent
        category("news", number=4, name="News &amp; Views", description="What &lt;b&gt;happens&lt;/b&gt;"),
        category("apples", number=6),
        category("uncategorized"),
        item(1, terms=terms),
        item(2, terms=terms, meta=[("_yoast_wpseo_primary_category", "6")]),
        item(3, terms=terms[:3]),
        item(4, terms=terms[:1]),
        item(5, terms=[("category", "unlisted")]),
    )
    chosen = {n: (get(client, f"slug-{n}")["section"] or {}).get("slug") for n in range(1, 6)}
    assert chosen == {1: "port", 2: "apples", 3: "apples", 4: None, 5: "unlisted"}
    assert {tag["name"] for tag in get(client, "slug-1")["tags"]} == {"Apples", "News"}
    assert loaded.line("posts", 1).reasons == ["further categories became tags: Apples, News"]
    port, news = (ok(client.get(f"/v1/sections/{slug}")) for slug in ("port", "news"))
    assert (port["parent"]["slug"], port["articles"]) == ("news", 1)
    assert (news["name"], news["description"]) == ("News & Views", "What happens")
    assert client.get("/v1/sections/uncategorized").status_code == 404


def test_categories_that_stand_above_each_other_have_no_parent(client: TestClient, imported: Import) -> None:
    imported(category("a", parent="b"), category("b", parent="a"), category("c", parent="c"), category("d", parent="x"))
    parents = {row["slug"]: row["parent"] for row in ok(client.get("/v1/sections"))["data"]}
    assert set(parents) == set("abcd")
    assert [parents["c"], parents["d"]] == [None, None]
    assert sum(parent is None for parent in parents.values()) >= 3


def test_a_category_is_the_tag_of_its_name_in_any_letter_case(client: TestClient, imported: Import) -> None:
    tag = "<wp:tag><wp:tag_slug>boats-2</wp:tag_slug><wp:tag_name>boats</wp:tag_name></wp:tag>"
    imported(tag, category("boats", name="Boats"), item(1, terms=[("category", "a"), ("category", "boats")]))
    (filed,) = get(client, "slug-1")["tags"]
    assert (filed["slug"], filed["name"]) == ("boats-2", "boats")


def test_a_section_that_is_here_already_is_used_and_left_as_it_is(
    client: TestClient, editor: Headers, imported: Import
) -> None:
    here = section(client, editor, "Our news", slug="news")
    parts = (category("news"), item(1, terms=[("category", "news")]))
    assert imported(*parts).counts("categories") == {"came": 1, "kept": 1}
    assert get(client, "slug-1")["section"]["id"] == here["id"]
    assert ok(client.get("/v1/sections/news"))["name"] == "Our news"
    assert imported(*parts).counts("categories") == {"came": 1, "unchanged": 1}


def test_slugs_belong_to_the_first_public_one_and_all_old_addresses_lead_on(
    client: TestClient, editor: Headers, imported: Import
) -> None:
    base = "https://quay.example"
    loaded = imported(
        item(1, post_name="about", status="private", link=f"{base}/about/"),
        item(2, post_name="about", post_type="page", link=f"{base}/team/about/"),
        item(3, post_name="about", post_type="page", link=f"{base}/port/about/"),
        item(4, post_name="low__tide", link=f"{base}/2020/low__tide/", meta=[("_wp_old_slug", "former")]),
        item(5, meta=[("_wp_old_slug", "slug-6")], link=f"{base}/?p=5"),
        item(6, link=f"{base}/caf%C3%A9//slug-6"),
        item(7, post_name="", title="About", link=base),
        item(8, post_name="0190163d-8694-739b-aea5-966c26f8ad91"),
    )
    assert loaded.failures == 0
    titles = {
        article["slug"]: article["title"]
        for article in ok(client.get("/v1/articles?limit=100&type=article,page"))["data"]
    }
    assert titles["item-0190163d-8694-739b-aea5-966c26f8ad91"] == "Title 8"
    assert titles.keys() >= {"about", "low-tide", "slug-5", "slug-6"}
    assert titles["about"] == "Title 2"
    others = {slug for slug in titles if slug.startswith("about-")}
    assert len(others) == 2
    third = next(slug for slug in others if titles[slug] == "Title 3")
    assert where(client, "/team/about/") == "about"
    assert where(client, "/port/about") == third
    assert where(client, "/2020/low__tide/") == where(client, "/low__tide") == where(client, "/x/former") == "low-tide"
    assert where(client, "/caf%C3%A9//slug-6/") == where(client, "/café/slug-6") == where(client, "/slug-6") == "slug-6"
    moved = client.get("/v1/articles/low__tide", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (301, "/v1/articles/low-tide")
    assert loaded.line("pages", 3).reasons == [f"its slug about is taken; its new slug is {third}"]
    assert loaded.line("posts", 4).reasons == [
        "its slug is invalid; its new slug is low-tide, to which the old one redirects"
    ]
    assert ok(client.get("/v1/articles?state=draft", headers=editor))["data"][0]["slug"].startswith("about-")


def test_titles_deks_names_and_pictures(client: TestClient, imported: Import) -> None:
    common = {"creator": "mara", "excerpt": "It <b>went</b> &amp; came", "meta": [("_thumbnail_id", 20)]}
    loaded = imported(
        author("mara", "Mara &amp;amp; Co"),
        author("o@mail.example", "o@mail.example"),
        author("idle", "Idle Hands"),
        item(1, title="A <em>B</em> &amp; C", is_sticky=1, **common),
        item(2, title="", content="<p>All that there <i>is</i> to say.</p>", creator="o@mail.example"),
        item(3, title=" ", content="", creator="nobody-listed"),
        item(4, title="x" * 400, meta=[("_thumbnail_id", 99)]),
        item(5, meta=[("_thumbnail_id", 21)]),
        picture(20, excerpt="On the <i>quay</i>", meta=[("_wp_attachment_image_alt", "Boats")]),
        picture(21, attachment_url="https://files.example/a.pdf"),
        picture(22, attachment_url="not an address.png"),
    )
    first = get(client, "slug-1")
    assert (first["title"], first["dek"], first["featured"]) == ("A B & C", "It went & came", True)
    assert [who["name"] for who in first["authors"]] == ["Mara & Co"]
    assert first["language"] == "en-GB"
    image = first["image"]
    assert (image["url"], image["alt"], image["caption"]) == ("https://files.example/20.jpg", "Boats", "On the quay")
    assert [get(client, f"slug-{n}")["title"] for n in (2, 3)] == ["All that there is to say.", "Untitled"]
    assert len(get(client, "slug-4")["title"]) == 300
    assert {row["name"] for row in ok(client.get("/v1/authors"))["data"]} == {"Mara & Co", "o", "nobody-listed"}
    assert loaded.line("posts", 4).reasons == [
        "the title is cut to 300 characters",
        "its featured image, attachment 99, is in no file so far",
    ]
    assert loaded.line("posts", 5).reasons == ["its featured image, attachment 21, is not a picture"]
    assert loaded.line("attachments", 22).outcome == "failed"
    assert loaded.counts("attachments") == {"came": 3, "new": 1, "skipped": 1, "failed": 1}


def test_a_transaction_is_short_however_many_posts_there_are(
    client: TestClient, db: Database, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_TRANSACTION_SECONDS", -1.0)
    most = list[int]()

    def note(connection: sa.Connection) -> None:
        most.append(connection.execute(sa.select(sa.func.count()).select_from(ARTICLE)).scalar_one())

    sa.event.listen(db.engines()[1], "commit", note)
    imported(*(item(number) for number in range(1, 4)))
    sa.event.remove(db.engines()[1], "commit", note)
    assert [number for number in range(1, 4) if number not in most] == []
    assert len(ok(client.get("/v1/articles"))["data"]) == 3


def test_what_cannot_be_imported_is_told_and_stops_nothing(client: TestClient, imported: Import) -> None:
    loaded = imported(item(1, content="x" * 1_000_001), item(2), item(2, post_name="twin"), item(0, post_name=""))
    assert loaded.failures == 3
    assert loaded.counts("posts") == {"came": 4, "new": 1, "failed": 3}
    assert "longer than" in loaded.line("posts", 1).reasons[0]
    assert loaded.line("posts", 2).reasons == ["an earlier item has the same id"]
    assert [row["slug"] for row in ok(client.get("/v1/articles"))["data"]] == ["slug-2"]


def test_scheduled_posts_go_live_at_their_time(client: TestClient, db: Database, imported: Import) -> None:
    soon = "2099-05-05 05:05:05"
    imported(
        item(1, status="future", post_date_gmt=soon), item(2, status="future", post_date_gmt="2020-01-01 10:00:00")
    )
    assert client.get("/v1/articles/slug-1").status_code == 404
    assert get(client, "slug-2")["published_at"] == "2020-01-01T10:00:00Z"  # it was due there as well
    with time_machine.travel(datetime(2099, 5, 5, 5, 6, tzinfo=UTC)), db.transaction() as session:
        assert advance_due_articles(session, index_article) == 1
    assert get(client, "slug-1")["published_at"] == "2099-05-05T05:05:05Z"


def test_a_time_to_come_may_move_or_go(client: TestClient, editor: Headers, imported: Import) -> None:
    for year in (2098, 2099):
        imported(item(1, status="future", post_date_gmt=f"{year}-01-01 00:00:00"))
        mine = get(client, "slug-1", editor)
        assert (mine["state"], mine["editing"]["scheduled_at"]) == ("scheduled", f"{year}-01-01T00:00:00Z")
    imported(item(1, status="pending", post_date_gmt="2099-01-01 00:00:00"))
    assert get(client, "slug-1", editor)["state"] == "draft"
    imported(item(1))
    imported(item(1, status="future", post_date_gmt="2099-01-01 00:00:00"))
    assert get(client, "slug-1", editor)["state"] == "scheduled"
    assert client.get("/v1/articles/slug-1").status_code == 404
    odd = imported(item(2, post_date_gmt="2099-01-01 00:00:00"))
    assert odd.line("posts", 2).reasons == ["its date is in the future; that of the import is used"]
    assert get(client, "slug-2")["state"] == "published"


def test_what_changed_there_changes_here(client: TestClient, editor: Headers, imported: Import) -> None:
    before = [category("news"), author("mara", "Mara"), picture(20)]
    posts = [item(n, creator="mara", terms=[("category", "news")]) for n in range(1, 5)]
    imported(*before, *posts, item(5, status="draft"))
    old = get(client, "slug-1")
    after = [category("news", description="New"), author("mara", "Mara Lind"), picture(20, excerpt="Seen")]
    posts[0] = item(1, content="Text 1, corrected.", post_name="better", terms=[("post_tag", "tide")], is_sticky=1)
    posts[1] = item(2, status="private")
    posts[2] = item(3, status="trash", post_name="slug-3__trashed")
    loaded = imported(*after, *posts, item(5, title="Out now"))
    assert loaded.outcomes() == {"updated", "unchanged", "new"}
    assert loaded.counts("posts") == {"came": 5, "updated": 4, "unchanged": 1, "altered": 2}
    new = get(client, "better")
    assert (new["id"], new["published_at"]) == (old["id"], old["published_at"])
    assert (new["revision"], new["featured"], new["section"], new["tags"][0]["slug"]) == (2, True, None, "tide")
    assert "corrected" in new["body"]["html"]
    assert where(client, "/slug-1") == "better"
    assert [client.get(f"/v1/articles/slug-{n}").status_code for n in (2, 3, 4, 5)] == [404, 404, 200, 200]
    assert get(client, "slug-2", editor)["state"] == "unpublished"
    assert ok(client.get("/v1/authors/mara"))["name"] == "Mara Lind"
    assert ok(client.get("/v1/sections/news"))["articles"] == 1
    assert imported(*after, *posts, item(5, title="Out now")).outcomes() == {"unchanged"}


def test_what_was_edited_or_deleted_here_stays_so(
    client: TestClient, db: Database, editor: Headers, imported: Import
) -> None:
    imported(item(1), item(2, status="draft"), item(3))
    patched(client, editor, get(client, "slug-1"), title="Ours")
    act(client, editor, get(client, "slug-1", editor), "publish")
    draft = client.get("/v1/articles/slug-2", headers=editor)
    headers = {**editor, "If-Match": draft.headers["etag"]}
    assert client.delete(f"/v1/articles/{draft.json()['id']}", headers=headers).status_code == 204
    before = dump(db)
    assert imported(item(1), item(2, status="draft"), item(3)).outcomes() == {"unchanged"}
    loaded = imported(item(1, title="Theirs"), item(2), item(3))
    assert loaded.line("posts", 1).reasons == ["edited in Broadsheet"]
    assert loaded.line("posts", 2).reasons == ["deleted in Broadsheet"]
    assert loaded.counts("posts") == {"came": 3, "kept": 2, "unchanged": 1}
    assert dump(db) == before


def test_what_was_purged_does_not_come_back(
    client: TestClient, db: Database, editor: Headers, admin: Headers, imported: Import
) -> None:
    imported(item(1), item(2))
    article = get(client, "slug-1")
    act(client, editor, article, "unpublish")
    purge = client.post(
        f"/v1/articles/{article['id']}/purge", json={"reason": "Order."}, headers={**admin, "If-Match": "*"}
    )
    assert purge.status_code == 204
    assert imported(item(1), item(2)).outcomes() == {"unchanged"}
    loaded = imported(item(1, title="Theirs"), item(2))
    assert loaded.line("posts", 1).reasons == ["deleted in Broadsheet"]
    assert client.get("/v1/articles/slug-1", headers=editor).status_code == 404


def test_two_sites_do_not_meet(client: TestClient, db: Database, tmp_path: Path) -> None:
    for link in ("https://one.example", "https://two.example", "http://one.example/"):
        Loaded(db, export(tmp_path / "export.xml", item(1), link=link))
    assert sorted(row["slug"] for row in ok(client.get("/v1/articles"))["data"]) == ["slug-1", "slug-1-2"]


def test_an_import_that_was_stopped_goes_on_where_it_was(client: TestClient, db: Database, tmp_path: Path) -> None:
    path = export(tmp_path / "export.xml", *(item(n, content="word " * 1500) for n in range(1, 61)))

    def stop(done: int) -> None:
        if done > 350_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_wordpress(db, path, start_pass=lambda name: stop if name == "Importing" else None)
    some = ok(client.get("/v1/articles?count=exact"))["page"]["total"]
    assert 0 < some < 60
    assert Loaded(db, path).counts("posts") == {"came": 60, "unchanged": some, "new": 60 - some}
    assert ok(client.get("/v1/articles?count=exact"))["page"]["total"] == 60


def test_what_took_no_comments_takes_none_here(client: TestClient, imported: Import, admin: Headers) -> None:
    def states() -> list[str]:
        return [get(client, f"slug-{n}", admin)["discussion"]["state"] for n in (1, 2, 3)]

    parts = [item(1, comment_status="closed"), item(2, comment_status="open")]
    imported(*parts, item(3))
    assert states() == ["closed", "open", "open"]
    set_here = {"json": {"state": "open"}, "headers": {**admin, "If-Match": "*"}}
    ok(client.put("/v1/articles/slug-1/discussion", **set_here))
    loaded = imported(*parts, item(3, comment_status="closed"))
    assert loaded.outcomes() == {"unchanged", "updated"}
    assert states() == ["open", "open", "closed"]


@pytest.mark.parametrize(
    ("there", "here", "notes"),
    [
        ("de_DE", "de-DE", []),
        ("pt_br.UTF-8", "pt-BR", []),
        ("Deutsch (Sie)", "en", ["its language, 'Deutsch (Sie)', is not a language tag: en is used"]),
        ("", "en", ["it has no language: en is used"]),
    ],
)
def test_the_language_of_the_site(
    client: TestClient, db: Database, tmp_path: Path, there: str, here: str, notes: list[str]
) -> None:
    path = export(tmp_path / "export.xml", item(1))
    path.write_text(path.read_text("utf-8").replace("en-GB", there), "utf-8")
    assert Loaded(db, path).summary["notes"] == notes
    assert get(client, "slug-1")["language"] == here


def test_what_has_no_field_is_kept_for_editors_and_counted(
    client: TestClient, db: Database, editor: Headers, imported: Import
) -> None:
    meta = [
        ("_yoast_wpseo_title", "Tides"),
        ("_yoast_wpseo_metadesc", "All of them"),
        ("_yoast_wpseo_meta-robots-noindex", "1"),
        ("mood", "calm"),
        ("mood", "wild"),
        ("_edit_lock", "1:1"),
        ("_elementor_data", "[]"),
    ]
    terms = [("category", "a"), ("category", "b"), ("post_format", "post-format-aside")]
    entry = [("_menu_item_type", "post_type"), ("_menu_item_object_id", "1")]
    parts = [
        item(1, meta=meta, terms=terms),
        item(2, post_type="page", post_parent=1, menu_order=3, meta=[("rank_math_title", "Team")]),
        item(3),
        item(4, post_type="nav_menu_item", terms=[("nav_menu", "main")], meta=entry),
        item(4, post_type="nav_menu_item", title="Its double"),
        item(5, meta=[("large", "x" * 40_000), ("small", "y")]),
    ]
    loaded = imported(*parts)
    custom = {n: get(client, f"slug-{n}", editor)["editing"]["custom"] for n in (1, 2, 3, 5)}
    assert custom[1]["wordpress"] == {
        "id": 1,
        "categories": [{"slug": "a", "name": "A"}, {"slug": "b", "name": "B"}],
        "terms": {"post_format": [{"slug": "post-format-aside", "name": "Post-Format-Aside"}]},
        "seo": {"title": "Tides", "description": "All of them", "noindex": True},
        "fields": {
            "_yoast_wpseo_title": "Tides",
            "_yoast_wpseo_metadesc": "All of them",
            "_yoast_wpseo_meta-robots-noindex": "1",
            "mood": ["calm", "wild"],
        },
    }
    assert (custom[2]["wordpress"]["parent"], custom[2]["wordpress"]["order"]) == (1, 3)
    assert custom[2]["wordpress"]["seo"] == {"title": "Team"}
    assert custom[3] is None
    assert custom[5]["wordpress"]["fields"] == {"small": "y"}
    assert loaded.line("posts", 5).reasons == ["custom fields are too large and were left out: large"]
    assert loaded.summary["kept_as_data"] == {
        "entries of menus": 2,
        "labels of the taxonomy post_format": 1,
        "parents of pages (their ids)": 1,
        "posts and pages with SEO fields": 2,
        "posts and pages with custom fields": 2,
        "posts and pages with several categories": 1,
    }
    assert loaded.summary["left_out"] == {"hidden custom fields of WordPress and its plugins": 2}
    with db.connect() as connection:
        (row,) = connection.execute(sa.select(table_of(ImportExtra))).all()
    assert (row.kind, row.foreign_id) == ("menu_entry", "4")
    assert row.data == {"title": "Title 4", "type": "post_type", "object_id": 1, "menus": ["main"]}
    assert "editing" not in get(client, "slug-1")
    assert "calm" not in client.get("/v1/articles").text + client.get("/v1/articles/slug-1").text
    before = dump(db)
    assert imported(*parts).outcomes() <= {"unchanged", "skipped"}
    assert dump(db) == before


def test_nothing_becomes_public_that_must_be_approved(
    client: TestClient, admin: Headers, make_key: Callable[..., Headers], imported: Import
) -> None:
    rule = {"required": True, "four_eyes": True}
    imported(item(1, title="Before"))
    ok(client.put("/v1/approval", json=rule, headers={**admin, "If-Match": "*"}))
    loaded = imported(
        item(1, title="After"),
        item(2),
        item(3, status="future", post_date_gmt="2999-01-01 00:00:00"),
        item(4, status="draft"),
    )
    assert get(client, "slug-1")["title"] == "Before"  # what readers see stays
    states = {n: get(client, f"slug-{n}", admin) for n in range(1, 5)}
    assert {n: states[n]["state"] for n in states} == {1: "published", 2: "draft", 3: "draft", 4: "draft"}
    steps = {n: states[n]["editing"]["approval"]["state"] for n in states}
    assert steps == {1: "submitted", 2: "submitted", 3: "submitted", 4: "none"}
    assert loaded.line("posts", 2).reasons == ["not published, but submitted: its section requires approval"]
    desk = make_key("content:read", "content:approve", "content:publish")
    act(client, desk, states[2], "approve", {"revision": 1})
    act(client, desk, states[2], "publish")

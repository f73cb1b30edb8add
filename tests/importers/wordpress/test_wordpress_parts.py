"""One export in several files, in one call or many, in any order; and what completes an earlier import."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.db import Database
from app.importers.sources import UnsupportedFile
from app.importers.streams import BrokenFile
from tests.importers.wordpress.exports import Loaded, author, category, comment, dump, export, item, picture
from tests.make import ok

pytestmark = pytest.mark.portable

HEAD = (author("mara", "Mara Lind", 1), author("finn", "Finn Berg", 2), category("news", description="All of it"))
POST: dict[str, Any] = {
    "creator": "mara",
    "terms": [("category", "news"), ("category", "port"), ("post_tag", "tide")],
    "meta": [("_thumbnail_id", 20)],
    "content": "Text.\n\n[gallery ids='20']",
    "more": comment(1) + comment(2, comment_parent=1),
}


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    """A post with a picture of the third file, and a category whose parent is in the second."""
    return [
        export(tmp_path / "1.xml", *HEAD, category("port", parent="sea"), item(1, **POST)),
        export(tmp_path / "2.xml", category("sea"), item(2, creator="finn", terms=[("category", "news")])),
        export(tmp_path / "3.xml", picture(20, excerpt="On the quay")),
    ]


def check(client: TestClient) -> None:
    article = ok(client.get("/v1/articles/slug-1"))
    assert article["image"]["url"] == "https://files.example/20.jpg"
    assert article["body"]["html"].count("https://files.example/20.jpg") == 1
    assert [who["name"] for who in article["authors"]] == ["Mara Lind"]
    assert article["discussion"]["comments"] == 2
    assert ok(client.get("/v1/sections/port"))["parent"]["slug"] == "sea"
    assert ok(client.get("/v1/sections/news"))["description"] == "All of it"
    assert {who["name"] for who in ok(client.get("/v1/authors"))["data"]} == {"Mara Lind", "Finn Berg"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_several_files_in_one_call(client: TestClient, db: Database, parts: list[Path], order: tuple[int, ...]) -> None:
    chosen = [parts[number] for number in order]
    assert Loaded(db, *chosen, dry_run=True).counts("posts") == {"came": 2, "new": 2, "altered": 1}
    loaded = Loaded(db, *chosen)
    assert loaded.failures == 0
    check(client)
    once = dump(db)
    assert Loaded(db, *chosen).outcomes() == {"unchanged"}
    assert dump(db) == once


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_several_files_in_as_many_calls(
    client: TestClient, db: Database, parts: list[Path], order: tuple[int, ...]
) -> None:
    for number in order:
        loaded = Loaded(db, parts[number])
        if order == (0, 1, 2) and number == 0:
            assert "its featured image, attachment 20, is in no file so far" in loaded.line("posts", 1).reasons
    again = [Loaded(db, path) for path in parts]
    assert again[0].counts("posts").get("updated", 0) == (1 if order == (0, 1, 2) else 0)
    check(client)
    complete = dump(db)
    for path in parts:
        assert Loaded(db, path).outcomes() == {"unchanged"}
    assert dump(db) == complete


def test_a_post_that_two_files_have_comes_once_as_it_was_last(client: TestClient, db: Database, tmp_path: Path) -> None:
    old = export(tmp_path / "old.xml", item(1, title="Old", post_modified_gmt="2020-03-02 09:00:00"))
    new = export(tmp_path / "new.xml", item(1, title="New", post_modified_gmt="2020-03-02 10:00:00"))
    for paths in ((old, new), (new, old)):
        loaded = Loaded(db, *paths)
        assert loaded.failures == 0
        assert loaded.counts("posts")["skipped"] == 1
        assert loaded.summary["left_out"]["posts and pages that another file has too"] == 1
        assert ok(client.get("/v1/articles/slug-1"))["title"] == "New"


def test_files_of_two_sites_or_a_broken_one_are_refused_before_anything_is_written(
    db: Database, tmp_path: Path
) -> None:
    one, other = export(tmp_path / "1.xml", item(1)), export(tmp_path / "2.xml", item(2), link="https://x.example")
    before = dump(db)
    with pytest.raises(UnsupportedFile, match="another site") as refused:
        Loaded(db, one, other)
    assert refused.value.file == "2.xml"
    other.write_text(one.read_text("utf-8")[:-20], "utf-8")
    with pytest.raises(BrokenFile) as broken:
        Loaded(db, one, other)
    assert broken.value.file == "2.xml"
    assert dump(db) == before


def test_a_character_that_xml_forbids_is_left_out_only_when_asked(
    client: TestClient, db: Database, tmp_path: Path
) -> None:
    path = export(tmp_path / "1.xml", item(1, content="Wet\x0b quay"))
    with pytest.raises(BrokenFile, match=r"line 5, column 49, .*U\+000B is not allowed in XML; --lenient"):
        Loaded(db, path)
    loaded = Loaded(db, path, lenient=True)
    assert loaded.summary["notes"] == ["1.xml: line 5, column 49: the character U+000B is left out"]
    assert ok(client.get("/v1/articles/slug-1"))["body"]["html"].strip() == "<p>Wet quay</p>"


def guest(login: str, name: str, account: str = "") -> str:
    meta = [("cap-user_login", login), ("cap-display_name", name), ("cap-linked_account", account)]
    return item(900 + len(login), post_type="guest-author", title=name, post_name=f"cap-{login}", meta=meta)


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        (["cap-mara", "cap-finn"], ["Mara Lind", "Finn Berg"]),
        (["cap-finn", "cap-mara"], ["Finn Berg", "Mara Lind"]),
        (["cap-finn"], ["Finn Berg"]),
        (["cap-zoe", "cap-mara"], ["Zoë Guest", "Mara Lind"]),
        (["cap-finn-b"], ["Finn Berg"]),
        (["cap-a-b"], ["Ada Bo"]),
        (["finn", "cap-finn"], ["Finn Berg"]),
        (["nobody-listed"], ["Nobody-Listed"]),
    ],
)
def test_all_authors_come_in_order(
    client: TestClient, db: Database, tmp_path: Path, terms: list[str], names: list[str]
) -> None:
    parts = [author("mara", "Mara Lind"), author("finn", "Finn Berg"), author("a.b", "Ada Bo")]
    parts += [item(1, creator="mara", terms=[("author", slug) for slug in terms])]
    parts += [guest("zoe", "Zoë Guest"), guest("finn-b", "Finn as a guest", account="finn")]
    path = export(tmp_path / "1.xml", *parts)
    assert Loaded(db, path).failures == 0
    assert [who["name"] for who in ok(client.get("/v1/articles/slug-1"))["authors"]] == names
    assert Loaded(db, path).outcomes() <= {"unchanged", "skipped"}


@pytest.mark.parametrize(
    "path",
    [
        "/?p=7", "/?page_id=7", "/?attachment_id=7", "/index.php?p=7", "/?utm_source=a&p=7", "/?p=7&preview=true",
    ],
)  # fmt: skip
def test_numbers_lead_to_articles(client: TestClient, db: Database, tmp_path: Path, path: str) -> None:
    Loaded(db, export(tmp_path / "1.xml", item(7, link="https://quay.example/?p=7"), item(8, status="draft")))
    found = ok(client.get("/v1/resolve", params={"path": path}))
    assert (found["status"], found["location"].rpartition("/")[2]) == (301, "slug-7")
    for other in ("/?p=70", "/?p=8", "/?p=x", "/?q=7", "/?p=" + "7" * 30, "/blog/?p=7"):
        assert client.get("/v1/resolve", params={"path": other}).status_code == 404


def test_numbers_of_a_site_in_a_folder(client: TestClient, db: Database, tmp_path: Path) -> None:
    site = "https://quay.example/blog"
    archive = item(7, link=f"{site}/archives/7")
    Loaded(db, export(tmp_path / "1.xml", archive, item(8, link=f"{site}/2020/03/02/tide/"), link=site))
    for path, slug in {
        "/blog/?p=7": "slug-7",
        "/blog/index.php?p=7": "slug-7",
        "/blog/archives/7": "slug-7",
        "/blog/2020/03/02/tide?utm_source=a": "slug-8",
    }.items():
        found = ok(client.get("/v1/resolve", params={"path": path}))
        assert (found["status"], found["location"].rpartition("/")[2]) == (301, slug)
    assert client.get("/v1/resolve", params={"path": "/?p=7"}).status_code == 404


def test_numbers_of_attachments_lead_to_what_they_were_uploaded_to(
    client: TestClient, db: Database, tmp_path: Path
) -> None:
    posts = export(tmp_path / "1.xml", item(7), item(8, status="draft"))
    pictures = [picture(20, post_parent=7), picture(21, post_parent=8), picture(22)]
    files = export(tmp_path / "2.xml", *pictures)
    for path in (files, posts, files):
        Loaded(db, path)
    found = ok(client.get("/v1/resolve", params={"path": "/?attachment_id=20"}))
    assert (found["status"], found["location"].rpartition("/")[2]) == (301, "slug-7")
    for number in (21, 22):
        assert client.get("/v1/resolve", params={"path": f"/?attachment_id={number}"}).status_code == 404
    before = dump(db)
    for path in (files, posts):
        assert Loaded(db, path).outcomes() == {"unchanged"}
    assert dump(db) == before

"""Comments that two exports have, and replies whose parents come later."""

from pathlib import Path

import pytest

from app.db import Database
from tests.importers.discussion.counting import by_text, check_counters, stored
from tests.importers.disqus.exports import disqus, post, thread
from tests.importers.disqus.test_disqus import Loaded as Disqus
from tests.importers.wordpress.exports import Loaded, comment, dump, export, item

pytestmark = pytest.mark.portable

COPIED = (
    comment(1, meta=[("dsq_post_id", "901")])
    + comment(2, comment_parent=1, comment_agent="Disqus/1.1(2.6):902")
    + comment(3, comment_parent=2)
    + comment(4, meta=[("dsq_post_id", "901")])  # the plugin has done so
)


@pytest.fixture
def wordpress(tmp_path: Path) -> Path:
    return export(tmp_path / "wordpress.xml", item(1, more=COPIED))


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "disqus.xml"
    at = "2020-03-02T12:0{}:00Z".format
    entries = [post(901, 1, createdAt=at(1)), post(902, 1, 901, createdAt=at(2)), post(903, 1, 902, createdAt=at(5))]
    path.write_text(disqus(thread(1, "https://quay.example/slug-1"), *entries), "utf-8")
    return path


def test_what_wordpress_has_of_disqus_comes_once(db: Database, wordpress: Path, posts: Path) -> None:
    assert Loaded(db, wordpress).counts("comments") == {"came": 4, "new": 3, "kept": 1}
    loaded = Disqus(db, posts)
    assert loaded.counts("comments") == {"came": 3, "kept": 2, "new": 1}
    assert loaded.line("comments", 901).reasons == ["it was imported from another export; it stays unchanged"]
    assert by_text(db)["Comment 903."]["parent_id"] == by_text(db)["Comment 2."]["id"]
    settle(db, wordpress, posts)


def test_what_disqus_has_of_wordpress_comes_once(db: Database, tmp_path: Path, wordpress: Path, posts: Path) -> None:
    Loaded(db, export(tmp_path / "empty.xml", item(1)))
    assert Disqus(db, posts).counts("comments") == {"came": 3, "new": 3}
    loaded = Loaded(db, wordpress)
    assert loaded.counts("comments") == {"came": 4, "kept": 3, "new": 1}
    assert by_text(db)["Comment 3."]["parent_id"] == by_text(db)["Comment 902."]["id"]
    settle(db, wordpress, posts)


def settle(db: Database, wordpress: Path, posts: Path) -> None:
    """Nothing changes any more, and four comments are there."""
    assert len(stored(db)) == 4
    check_counters(db)
    before = dump(db)
    assert Loaded(db, wordpress).counts("comments") == {"came": 4, "unchanged": 3, "kept": 1}
    assert Disqus(db, posts).counts("comments") == {"came": 3, "unchanged": 3}
    assert dump(db) == before


def test_replies_find_parents_that_come_later(db: Database, tmp_path: Path) -> None:
    Loaded(db, export(tmp_path / "wordpress.xml", item(1)))
    first, second = tmp_path / "1.xml", tmp_path / "2.xml"
    head = thread(1, "https://quay.example/slug-1")
    first.write_text(disqus(head, post(3, 1, 2), post(4, 1, 3), post(5, 1, 4)), "utf-8")
    second.write_text(disqus(head, post(2, 1, 1), post(1, 1)), "utf-8")
    loaded = Disqus(db, first)
    assert loaded.line("comments", 3).reasons == ["its parent is not shown: it becomes a top-level comment"]
    assert Disqus(db, first).outcomes() == {"unchanged"}
    assert Disqus(db, second).outcomes() == {"new"}
    assert Disqus(db, first).counts("comments") == {"came": 3, "updated": 1, "unchanged": 2}
    rows = by_text(db)
    for number in range(1, 6):
        row = rows[f"Comment {number}."]
        assert row["depth"] == number - 1
        assert row["root_id"] == rows["Comment 1."]["id"]
        assert row["under_id"] == (rows[f"Comment {number - 1}."]["id"] if number > 1 else row["article_id"])
    check_counters(db)
    before = dump(db)
    for path in (first, second):
        assert Disqus(db, path).outcomes() == {"unchanged"}
    assert dump(db) == before


def test_replies_in_a_circle_over_two_files_stay_apart(db: Database, tmp_path: Path) -> None:
    Loaded(db, export(tmp_path / "wordpress.xml", item(1)))
    first, second = tmp_path / "1.xml", tmp_path / "2.xml"
    head = thread(1, "https://quay.example/slug-1")
    first.write_text(disqus(head, post(1, 1, 2)), "utf-8")
    second.write_text(disqus(head, post(2, 1, 1)), "utf-8")
    for path in (first, second, first, second):
        Disqus(db, path)
    rows = by_text(db)
    assert (rows["Comment 1."]["parent_id"], rows["Comment 2."]["parent_id"]) == (None, rows["Comment 1."]["id"])
    check_counters(db)

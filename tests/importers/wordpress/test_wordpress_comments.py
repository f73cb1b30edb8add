"""Comments of WordPress: threads, states, people, votes, and what never comes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.comments.schemas import controversy_score, wilson_score
from app.db import Database
from app.db.columns import table_of
from app.identity.tables import Participant
from app.importers.discussion.store import COMMENT
from tests.importers.discussion.counting import by_text, check_counters, stored
from tests.importers.wordpress.exports import Loaded, author, comment, dump, export, item

pytestmark = pytest.mark.portable

Import = Callable[..., Loaded]
P = table_of(Participant)
VOTES = ("wpdiscuz_votes_seperate", 'a:2:{s:4:"like";i:7;s:7:"dislike";i:-2;}')


@pytest.fixture
def imported(db: Database, tmp_path: Path) -> Import:
    def run(*comments: str, dry_run: bool = False, before: str = "", **fields: str) -> Loaded:
        post = item(1, more="".join(comments), creator="mara", **fields)
        return Loaded(db, export(tmp_path / "export.xml", before, post), dry_run=dry_run)

    return run


def people(db: Database) -> list[sa.RowMapping]:
    with db.connect() as connection:
        return list(connection.execute(sa.select(P)).mappings())


def test_threads_are_kept_at_any_depth_and_counted(db: Database, imported: Import) -> None:
    chain = [comment(number, comment_parent=number - 1) for number in range(1, 31)]
    loaded = imported(*reversed(chain), comment(40), comment(41, comment_parent=3))
    assert loaded.counts("comments") == {"came": 32, "new": 32}
    check_counters(db)
    rows = by_text(db)
    assert rows["Comment 30."]["depth"] == 29
    assert rows["Comment 3."]["replies"] == 2
    assert rows["Comment 41."]["parent_id"] == rows["Comment 3."]["id"]


def test_states_and_what_answers_what_is_not_shown(db: Database, imported: Import) -> None:
    loaded = imported(
        comment(1, comment_approved="spam"),
        comment(2, comment_parent=1),
        comment(3, comment_parent=2, comment_approved="trash"),
        comment(4, comment_parent=3),
        comment(5, comment_parent=2, comment_type="pingback"),
        comment(6, comment_parent=5),
        comment(7, comment_parent=6, comment_approved="0"),
        comment(8, comment_parent=7),
        comment(9, comment_parent=10),
        comment(10, comment_parent=9),
        comment(11, comment_type="note"),
        comment(12, comment_type="private"),
        comment(13, comment_approved="post-trashed"),
        comment(14, comment_approved="odd"),
    )
    check_counters(db)
    rows = by_text(db)
    assert len(stored(db)) == 10
    states = {text: row["state"] for text, row in rows.items()}
    assert (states["Comment 1."], states["Comment 7."], states["Comment 14."]) == ("spam", "pending", "pending")
    tomb = rows[""]
    assert (tomb["state"], tomb["listed"], tomb["removed_by"]) == ("removed", True, "moderator")
    assert (tomb["email"], tomb["author_name"], tomb["participant_id"], tomb["source"]) == (None, "", None, "")
    parents = {text: row["parent_id"] for text, row in rows.items()}
    assert parents["Comment 2."] is None
    assert parents["Comment 4."] == tomb["id"]
    assert parents["Comment 6."] == rows["Comment 2."]["id"]
    assert parents["Comment 8."] == rows["Comment 6."]["id"]
    assert loaded.line("comments", 2).reasons == ["its parent is not shown: it becomes a top-level comment"]
    assert loaded.line("comments", 8).reasons == ["its parent is not shown: it is attached to the comment above it"]
    assert loaded.summary["comments"]["note, not a reader's comment: not imported"] == 1
    assert loaded.summary["comments"]["comment, spam: spam, never shown"] == 1


def test_people_are_never_proven_and_authors_are_marked(db: Database, imported: Import) -> None:
    imported(
        comment(1),
        comment(2, comment_author_email="ADA@mail.example"),
        comment(3, comment_author_email=""),
        comment(4, comment_author="", comment_author_email="nobody"),
        comment(5, comment_author="eve@mail.example", comment_author_email="eve@mail.example"),
        comment(6, comment_author="Mara", comment_user_id=7),
        comment(7, comment_author="Mara", comment_user_id=99),
        before=author("mara", "Mara Lind", 7),
    )
    found = people(db)
    assert sorted((row["name"], row["email"] or "", row["kind"]) for row in found) == [
        ("Ada", "", "guest"),
        ("Ada", "ada@mail.example", "guest"),
        ("Anonymous", "", "guest"),
        ("Mara", "", "staff"),
        ("Mara", "ada@mail.example", "guest"),
        ("eve", "eve@mail.example", "guest"),
    ]
    for row in found:
        assert (row["confirmed_at"], row["token_hash"], row["subject"], row["key_id"]) == (None, None, None, None)
    rows = by_text(db)
    assert rows["Comment 1."]["author_id"] == rows["Comment 2."]["author_id"] != rows["Comment 3."]["author_id"]
    assert (rows["Comment 6."]["author_kind"], rows["Comment 6."]["badges"]) == ("staff", ["staff", "author"])
    assert (rows["Comment 7."]["author_kind"], rows["Comment 7."]["badges"]) == ("guest", [])
    assert rows["Comment 5."]["author_name"] == "eve"


def test_votes_and_features_come_with_them(db: Database, imported: Import) -> None:
    imported(
        comment(1, meta=[VOTES, ("wpdiscuz_votes", "5")]),
        comment(2, meta=[("wpdiscuz_votes", "-3")]),
        comment(3, comment_type="wpdiscuz_sticky"),
        comment(4, meta=[("featured", "1")]),
    )
    rows = by_text(db)
    votes = {text: (row["upvotes"], row["downvotes"]) for text, row in rows.items()}
    assert votes["Comment 1."] == (7, 2)
    assert votes["Comment 2."] == (0, 3)
    assert (rows["Comment 1."]["best"], rows["Comment 1."]["controversy"]) == (
        wilson_score(7, 2),
        controversy_score(7, 2),
    )
    assert [text for text, row in rows.items() if row["featured"]] == ["Comment 3.", "Comment 4."]


def test_texts_are_made_harmless_and_empty_ones_left_out(db: Database, imported: Import) -> None:
    loaded = imported(
        comment(1, comment_content="One\n\nTwo <b onclick='x()'>bold</b><script>alert(1)</script>"),
        comment(2, comment_content="<iframe src='https://video.example/1'></iframe>"),
        comment(3, comment_content="x" * 60_000),
        comment(3),
    )
    (row,) = stored(db)
    assert "script" not in row["html"]
    assert "onclick" not in row["html"]
    assert row["html"].count("<p>") == 2
    assert row["text"] == "One\n\nTwo bold"
    assert loaded.summary["left_out"]["comments without a text"] == 1
    assert loaded.counts("comments") == {"came": 4, "new": 1, "skipped": 1, "failed": 2}


def test_what_changed_there_changes_here_unless_it_was_touched(db: Database, imported: Import) -> None:
    imported(comment(1, comment_approved="0"), comment(2), comment(3), comment(4, comment_approved="0"))
    check_counters(db)
    with db.transaction() as session:
        session.connection().execute(sa.update(COMMENT).where(COMMENT.c.text == "Comment 3.").values(version=2))
    again = (
        comment(1),
        comment(2, comment_approved="spam"),
        comment(3, comment_content="New."),
        comment(4, comment_approved="trash"),
        comment(5, comment_parent=1),
    )
    loaded = imported(*again)
    assert loaded.counts("comments") == {"came": 5, "new": 1, "updated": 3, "kept": 1}
    assert loaded.line("comments", 3).reasons == ["edited or moderated in Broadsheet"]
    check_counters(db)
    rows = by_text(db)
    assert rows["Comment 1."]["state"] == "published"
    assert rows["Comment 2."]["state"] == "spam"
    assert rows[""]["participant_id"] is None
    before = dump(db)
    assert imported(*again).counts("comments") == {"came": 5, "unchanged": 4, "kept": 1}
    assert dump(db) == before


def test_replies_that_come_later_are_counted_too(db: Database, imported: Import) -> None:
    first = [comment(1), comment(2, comment_parent=1), comment(3, comment_approved="trash")]
    imported(*first)
    assert [row["listed"] for row in stored(db)] == [True, True, False]
    imported(*first, comment(4, comment_parent=1), comment(5, comment_parent=3), comment(6, comment_parent=2))
    check_counters(db)
    assert by_text(db)["Comment 1."]["replies"] == 2


def test_what_waits_for_another_is_shown_only_after_it(db: Database, imported: Import) -> None:
    imported(comment(1, comment_approved="0"), comment(2, comment_parent=1, comment_approved="0"))
    loaded = imported(comment(1, comment_approved="0"), comment(2, comment_parent=1))
    assert loaded.line("comments", 2).reasons == ["its parent is not shown"]
    imported(comment(1), comment(2, comment_parent=1))
    check_counters(db)
    assert {row["state"] for row in stored(db)} == {"published"}


def test_comments_of_what_did_not_come_stay_out(db: Database, imported: Import) -> None:
    loaded = imported(comment(1), content="x" * 1_000_001)
    assert loaded.summary["comments"] == {"on items without an article: not imported": 1}
    assert stored(db) == []

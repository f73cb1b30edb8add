"""Comments of Disqus: threads find their articles, and what finds none is told."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.articles.counters import ACTIVITY
from app.articles.tables import Article
from app.core.clock import format_rfc3339, now
from app.db import Database
from app.db.columns import table_of
from app.identity.tables import Participant
from app.importers.discussion import importing
from app.importers.disqus.loader import import_disqus
from app.importers.streams import BrokenFile
from app.publication.site import Site
from tests.importers.discussion.counting import by_text, check_counters, stored
from tests.importers.disqus.exports import HEAD, disqus, post, thread
from tests.importers.wordpress.exports import Loaded as WordPress
from tests.importers.wordpress.exports import dump, export, item

pytestmark = pytest.mark.portable

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "disqus-export.xml"
A = table_of(Article)
SITE = Site("https://site.example", "/{section}/{slug}")


class Loaded(WordPress):
    """What an import of Disqus reported."""

    def __init__(self, db: Database, *paths: Path, dry_run: bool = False, lenient: bool = False) -> None:
        report = import_disqus(db, paths, SITE, dry_run=dry_run, lenient=lenient)
        self.summary, self.lines, self.failures = report.summary(), list(report.lines()), report.failures
        report.close()


Import = Callable[..., Loaded]


@pytest.fixture
def imported(db: Database, tmp_path: Path) -> Import:
    """Import these parts under the articles slug-1 to slug-4."""
    links = {1: "https://quay.example/2012/slug-1/", 4: "https://quay.example/?p=4"}
    articles = [item(number, link=links.get(number, ""), meta=[("_wp_old_slug", f"old-{number}")])
                for number in range(1, 5)]  # fmt: skip
    WordPress(db, export(tmp_path / "export.xml", *articles))

    def run(*parts: str, dry_run: bool = False) -> Loaded:
        path = tmp_path / "disqus.xml"
        path.write_text(disqus(*parts), "utf-8")
        return Loaded(db, path, dry_run=dry_run)

    return run


def test_a_transaction_is_short_however_many_comments_there_are(
    db: Database, imported: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "FIRST_BATCH_SIZE", 1)
    monkeypatch.setattr(importing, "MAX_TRANSACTION_SECONDS", 0.0)
    numbers = list[int]()

    def note(connection: sa.Connection) -> None:
        numbers.append(connection.execute(sa.select(sa.func.count()).select_from(importing.COMMENT)).scalar_one())

    sa.event.listen(db.engines()[1], "commit", note)
    loaded = imported(thread(1, "http://old.example/2012/slug-1"), post(1, 1), *(post(n, 1, n - 1) for n in (2, 3, 4)))
    sa.event.remove(db.engines()[1], "commit", note)
    assert {1, 2, 3, 4} <= set(numbers)
    assert loaded.failures == 0
    assert [row["depth"] for row in sorted(stored(db), key=lambda row: row["depth"])] == [0, 1, 2, 3]
    check_counters(db)


def titles(db: Database) -> dict[str, str]:
    with db.connect() as connection:
        slugs = {row.id: row.slug for row in connection.execute(sa.select(A.c.id, A.c.slug))}
    return {row["text"]: slugs[row["article_id"]] for row in stored(db)}


def test_threads_find_their_articles(db: Database, imported: Import) -> None:
    loaded = imported(
        thread(1, "http://old.example/2012/slug-1"),
        thread(2, "http://old.example/blog/slug-2/index.html"),
        thread(3, "http://old.example/x/old-3?utm_source=a"),
        thread(4, "http://old.example/?p=4"),
        thread(5, "http://old.example/gone", "4 http://old.example/?p=4"),
        thread(6, "", "slug-2"),
        thread(7, "https://old.example/slug-3/amp"),
        *(post(number, number) for number in range(1, 8)),
    )
    assert loaded.failures == 0
    slugs = [1, 2, 3, 4, 4, 2, 3]
    assert titles(db) == {f"Comment {n}.": f"slug-{slug}" for n, slug in enumerate(slugs, start=1)}
    check_counters(db)


def test_what_was_written_lately_counts_as_such(db: Database, imported: Import) -> None:
    at = [format_rfc3339(now() - timedelta(days=days)) for days in (0, 3, 20, 40)]
    posts = [post(number, 1, createdAt=moment) for number, moment in enumerate(at, start=1)]
    for _ in range(2):
        imported(thread(1, "http://old.example/2012/slug-1"), *posts)
        with db.connect() as connection:
            (row,) = connection.execute(sa.select(ACTIVITY)).all()
        assert (row.comments_1d, row.comments_7d, row.comments_30d) == (1, 2, 3)
    check_counters(db)


def test_what_finds_no_article_is_told_and_can_come_later(db: Database, imported: Import) -> None:
    loaded = imported(
        thread(1, "http://old.example/"),
        thread(2, "http://[broken", "Nowhere"),
        post(1, 1),
        post(2, 1337),
        post(3, 1, isSpam="true"),
        post(4, 2),
    )
    assert loaded.failures == 3
    assert loaded.counts("comments") == {"came": 4, "failed": 3, "skipped": 1}
    assert loaded.line("comments", 2).reasons == ["its thread 1337 is not in the file"]
    assert loaded.line("comments", 1).reasons == ["no article has the address http://old.example/"]
    assert stored(db) == []
    assert imported(thread(1, "http://old.example/slug-1"), post(1, 1)).counts("comments") == {"came": 1, "new": 1}


def test_states_threads_and_people(db: Database, imported: Import) -> None:
    loaded = imported(
        thread(1, "https://old.example/slug-1"),
        post(2, 1, parent=1, message="<p>Yes <script>no</script><a href='javascript:1'>link</a></p>"),
        post(1, 1, isDeleted="true", message="Secret"),
        post(3, 1, isSpam="true"),
        post(4, 1, parent=3),
        post(5, 1, isApproved="false"),
        post(6, 1, author="<username>bob</username><isAnonymous>true</isAnonymous>"),
        post(7, 1, createdAt="yesterday", author=""),
    )
    check_counters(db)
    rows = by_text(db)
    assert rows["Yes link"]["parent_id"] == rows[""]["id"]
    assert "javascript" not in rows["Yes link"]["html"]
    assert rows[""]["listed"]
    assert (rows["Comment 3."]["state"], rows["Comment 3."]["listed"]) == ("spam", False)
    assert rows["Comment 4."]["parent_id"] is None
    assert rows["Comment 5."]["state"] == "pending"
    assert (rows["Comment 6."]["author_name"], rows["Comment 7."]["author_name"]) == ("bob", "Anonymous")
    assert rows["Comment 4."]["email"] == "ada@mail.example"
    everything = json.dumps(dump(db)) + json.dumps([loaded.summary, loaded.lines])
    assert "192.0.2.77" not in everything
    assert "Secret" not in everything
    with db.connect() as connection:
        found = connection.execute(sa.select(table_of(Participant))).mappings().all()
    assert len(found) == 3
    assert all(row["confirmed_at"] is None and row["token_hash"] is None for row in found)


def test_twice_changes_nothing_and_a_dry_run_says_the_same(db: Database, imported: Import) -> None:
    parts = (thread(1, "/slug-1"), *(post(n, 1, parent=n - 1, isDeleted="true" if n == 3 else "false")
                                     for n in range(1, 9)))  # fmt: skip
    empty = dump(db)
    dry = imported(*parts, dry_run=True)
    assert dump(db) == empty
    real = imported(*parts)
    assert {**dry.summary, "dry_run": False} == real.summary
    assert dry.lines == real.lines
    once = dump(db)
    assert imported(*parts).counts("comments") == {"came": 8, "unchanged": 8}
    assert dump(db) == once


def test_a_comment_without_a_date_has_that_of_its_article(db: Database, imported: Import) -> None:
    loaded = imported(thread(1, "/slug-1"), post(1, 1, createdAt=""))
    assert loaded.line("comments", 1).reasons == ["it has no date; the article's is used"]
    assert format_rfc3339(by_text(db)["Comment 1."]["created_at"]) == "2020-03-02T08:30:00Z"


def test_plain_text_keeps_its_paragraphs_and_redirects_are_unwrapped(db: Database, imported: Import) -> None:
    signed = (
        "https://disq.us/url?url=https%3A%2F%2Fsea.example%2Fa%3Fb%3D1%26c%3D2%3AuLrNZdxGwYZEBRV-Z65-AGXQp1k&amp;cuid=7"
    )
    imported(
        thread(1, "/slug-1"),
        post(1, 1, message="One\ntwo\n\nthree"),
        post(2, 1, message="<p>One\ntwo</p>"),
        post(3, 1, message=f'<p><a href="{signed}" rel="nofollow">there</a></p>'),
        post(4, 1, message="<p><a href='http://disq.us/url?url=javascript%3Aalert(1)'>no</a></p>"),
        post(5, 1, message="<p><a href='http://disq.us/p/1abc'>short</a></p>"),
    )
    html = {row["text"]: row["html"] for row in stored(db)}
    assert html["One\ntwo\n\nthree"] == "<p>One<br>\ntwo</p>\n<p>three</p>"
    assert html["One two"] == "<p>One\ntwo</p>"
    assert 'href="https://sea.example/a?b=1&amp;c=2"' in html["there"]
    assert "disq.us" in html["no"]
    assert 'href="http://disq.us/p/1abc"' in html["short"]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + thread(1, "/slug-1") + post(1, 1) + "<oops>",
        "<rss/>",
        "",
        '<!DOCTYPE disqus [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        + HEAD.partition("\n")[2]
        + post(1, 1, message="&x;")
        + "</disqus>",
    ],
)
def test_a_file_that_is_no_export_leaves_the_store_untouched(db: Database, tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.xml"
    path.write_text(text, "utf-8")
    empty = dump(db)
    with pytest.raises(BrokenFile, match=r"line \d"):
        Loaded(db, path)
    assert dump(db) == empty


@pytest.mark.skipif(not SHARED.exists(), reason="the file is not here")
def test_an_export_with_odd_threads(db: Database, tmp_path: Path) -> None:
    links = ("http://example.org/hello", "http://localhost:4000/blog/2013/02/12/redacted/")
    WordPress(db, export(tmp_path / "export.xml", *(item(n, link=link) for n, link in enumerate(links, start=1))))
    path = tmp_path / "disqus.xml"
    path.write_text(SHARED.read_text("utf-8").replace(">http://example.org/<", ">http://example.org/hello<"), "utf-8")
    loaded = Loaded(db, path)
    assert loaded.counts("comments") == {"came": 6, "new": 5, "failed": 1}
    assert loaded.line("comments", 6).reasons == ["its thread 1337 is not in the file"]
    check_counters(db)
    assert sum(row["state"] == "removed" and row["listed"] for row in stored(db)) == 1

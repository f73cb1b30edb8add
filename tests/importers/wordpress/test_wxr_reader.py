import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.importers.streams import BrokenFile
from app.importers.wordpress.reader import check, read
from app.importers.wordpress.records import Author, Category, Contents, Item, Label, Record, Site, Tag, Term

HARBOUR = Path(__file__).with_name("harbour.xml")
ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data" / "wordpress-theme-unit-test.xml"
FILES = [path for path in (HARBOUR, SHARED) if path.exists()]

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
    ' xmlns:wp="http://wordpress.org/export/1.2/">\n'
    "<channel><title>T</title><link>https://t.example</link>\n<wp:wxr_version>1.2</wp:wxr_version>\n"
)
TAIL = "</channel></rss>\n"


def items(path: Path = HARBOUR) -> dict[int, Item]:
    return {record.post_id: record for record in read(path) if isinstance(record, Item)}


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "export.xml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def broken(tmp_path: Path, text: str | bytes) -> BrokenFile:
    with pytest.raises(BrokenFile) as caught:
        check(written(tmp_path, text))
    return caught.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_whole_file_is_read_and_counted(path: Path) -> None:
    heard: list[int] = []
    contents = check(path, heard.append)
    records: list[Record] = list(read(path))
    found = [record for record in records if isinstance(record, Item)]
    assert isinstance(records[0], Site)
    assert contents.total_items == len(found) > 0
    assert contents.comments == sum(len(item.comments) for item in found) > 0
    assert contents.authors + contents.categories + contents.tags + contents.terms + len(found) + 1 == len(records)
    assert heard == sorted(heard)
    assert heard[-1] == path.stat().st_size


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_was_public_is_complete_and_every_time_is_utc(path: Path) -> None:
    for item in items(path).values():
        times = [item.published_at, item.modified_at, *(comment.created_at for comment in item.comments)]
        assert all(time.utcoffset() == timedelta(0) for time in times if time is not None)
        if item.is_public and item.type in {"post", "page"} and item.post_id:
            assert item.slug
            assert item.published_at
            assert not item.has_password


def test_counts_by_kind() -> None:
    assert check(HARBOUR) == Contents(
        version="1.2",
        authors=2,
        categories=2,
        tags=1,
        terms=1,
        items={"post": 11, "page": 2, "attachment": 1, "nav_menu_item": 1, "wp_block": 1, "tide": 1},
        comments=6,
    )


def test_the_records_before_the_items() -> None:
    records = [record for record in read(HARBOUR) if not isinstance(record, Item)]
    assert records == [
        Site(
            title="The Harbour & Quay",
            link="https://harbour.example",
            description="News of a small port",
            language="en-GB",
            base_url="https://harbour.example/news",
            version="1.2",
        ),
        Author(1, "mara", "mara@harbour.example", "Mara Lind", "Mara", "Lind"),
        Author(2, "otto", "otto@harbour.example", "Otto & Son", "", ""),
        Category(11, "boats", "Boats & Ferries", "port-life", ""),
        Category(10, "port-life", "Port life", "", "Everything on the water."),
        Tag(20, "λιμάνι", "λιμάνι", "Harbour in Greek"),
        Term(30, "pier", "north", "North pier", "", ""),
    ]


def test_an_item_with_everything() -> None:
    item = items()[101]
    assert (item.type, item.status, item.title) == ("post", "publish", "The last ferry & us")
    assert (item.slug, item.link) == ("last-ferry", "https://harbour.example/news/last-ferry")
    assert (item.creator, item.guid) == ("mara", "https://harbour.example/?p=101")
    assert item.content.startswith("[caption id=")
    assert item.content.endswith('[tide-table port="north"]')
    assert item.excerpt == "The ferry <b>went</b>."
    assert item.published_at == datetime(2020, 3, 2, 8, 30, tzinfo=UTC)
    assert item.modified_at == datetime(2020, 3, 3, 9, tzinfo=UTC)
    assert item.sticky
    assert item.comments_open
    assert item.is_public
    assert item.terms == (
        Label("post_tag", "λιμάνι", "λιμάνι"),
        Label("category", "boats", "Boats & Ferries"),
        Label("pier", "north", "North pier"),
    )
    assert item.labels("category") == (Label("category", "boats", "Boats & Ferries"),)
    assert item.thumbnail_id == 201
    assert item.old_slugs == ("ferry", "final-ferry")
    assert item.notes == (
        "stray < or > removed from the creator's login",
        "comment 502 has no date in UTC; its local time is used as UTC",
    )


def test_comments_with_their_thread_state_and_kind() -> None:
    comments = items()[101].comments
    assert [(comment.id, comment.parent_id, comment.approved, comment.type) for comment in comments] == [
        (501, 0, "1", ""),
        (502, 501, "1", "comment"),
        (503, 0, "0", ""),
        (504, 0, "spam", ""),
        (505, 0, "trash", ""),
        (506, 0, "1", "pingback"),
    ]
    first, reply, waiting = comments[:3]
    assert (first.author, first.email, first.url) == ("Finn O'Hara", "finn@mail.example", "https://finn.example")
    assert (first.ip, first.content, first.meta) == ("192.0.2.7", "I waved.\n\nTwice.", {"rating": ("5",)})
    assert first.created_at == datetime(2020, 3, 2, 10, tzinfo=UTC)
    assert (reply.created_at, reply.user_id) == (datetime(2020, 3, 2, 12, tzinfo=UTC), 1)
    assert waiting.created_at is None
    assert [comment.id for comment in comments if comment.is_public] == [501, 502, 506]


def test_only_published_items_without_a_password_are_public() -> None:
    public = {number for number, item in items().items() if item.is_public and item.type == "post"}
    assert public == {0, 101, 102, 106, 107}
    assert {number for number, item in items().items() if item.has_password} == {103, 104}


def test_no_password_is_kept_and_addresses_are_not_printed() -> None:
    everything = repr(list(read(HARBOUR)))
    assert "lighthouse-77" in HARBOUR.read_text()
    for private in ("lighthouse-77", "192.0.2.7", "finn@mail.example", "mara@harbour.example"):
        assert private not in everything


@pytest.mark.parametrize(
    ("post_id", "published_at", "notes"),
    [
        (105, None, ()),
        (106, datetime(2020, 5, 1, 10, tzinfo=UTC), ("no date in UTC; the date of the feed (pubDate) is used",)),
        (107, datetime(2020, 5, 3, 9, tzinfo=UTC), ("no date in UTC; the local time is used as UTC",)),
        (108, datetime(2099, 1, 1, tzinfo=UTC), ()),
        (0, None, ()),
    ],
)
def test_dates_that_are_missing_or_impossible(post_id: int, published_at: datetime | None, notes: tuple[str]) -> None:
    item = items()[post_id]
    assert (item.published_at, item.notes) == (published_at, notes)


def test_attachments_pages_and_unusable_values() -> None:
    found = items()
    assert found[201].attachment_url == "https://harbour.example/files/ferry.jpg"
    assert (found[201].alt_text, found[201].parent_id) == ("A ferry at the quay", 101)
    assert (found[111].parent_id, found[111].menu_order) == (112, 4)
    assert found[0].slug == "%ff%fe"


def test_the_first_format_has_no_authors_and_names_each_term_twice(tmp_path: Path) -> None:
    text = HEAD.replace("1.2", "1.0") + (
        "<item><title>Old</title><wp:post_id>1</wp:post_id><category><![CDATA[News]]></category>"
        '<category domain="category" nicename="news"><![CDATA[News]]></category>'
        '<category domain="tag" nicename="sea"><![CDATA[Sea]]></category></item>'
    )
    site, item = read(written(tmp_path, text + TAIL))
    assert isinstance(site, Site)
    assert isinstance(item, Item)
    assert (site.version, site.base_url) == ("1.0", "https://t.example")
    assert item.terms == (Label("category", "news", "News"), Label("post_tag", "sea", "Sea"))
    assert not item.is_public


def test_an_export_without_records_is_still_one(tmp_path: Path) -> None:
    assert check(written(tmp_path, HEAD + TAIL)).total_items == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("Dear editor,", "not well-formed XML"),
        ("<html><body><p>Hello</p></body></html>", "root element is not rss"),
        ("<rss><channel><title>A feed</title><item><title>x</title></item></channel></rss>", "no wp:wxr_version"),
        ("<rss><channel><title>A feed</title></channel></rss>", "no wp:wxr_version"),
        (HEAD.replace("version>1.2", "version>7.0") + TAIL, "WXR version 7.0 is not supported"),
        (HEAD + "<item><title>a &nbsp; b</title></item>" + TAIL, "Entity 'nbsp' not defined"),
        (HEAD + "<item><shop:price>3</shop:price></item>" + TAIL, "Namespace prefix shop"),
        (HEAD + "<a>" * 3000, "depth"),
        (HEAD + "<item><title>\x08</title></item>" + TAIL, "U+0008 is not allowed"),
        (HEAD + "<item><title><![CDATA[a\n\x0b]]></title></item>" + TAIL, "U+000B is not allowed"),
        (HEAD.encode() + b"<item><title>\xff</title></item>" + TAIL.encode(), "0xFF (not UTF-8)"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    assert message in broken(tmp_path, text).message


@pytest.mark.parametrize(
    "declaration",
    [
        "<!DOCTYPE rss>",
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "<!DOCTYPE rss [<!ENTITY a0 'ha'>"
        + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
        + "<!ENTITY x '&a9;'>]>",
    ],
)
def test_entities_and_document_types_are_refused(tmp_path: Path, declaration: str) -> None:
    head = HEAD.replace("?>\n", f"?>\n{declaration}\n", 1)
    used = "&x;" if "ENTITY" in declaration else "x"
    message = broken(tmp_path, f"{head}<item><title>{used}</title></item>{TAIL}").message
    assert "document type declaration" in message or "entity amplification" in message


@pytest.mark.parametrize("markup", ["<![CDATA[{}]]>", "{}"])
def test_a_text_beyond_ten_megabytes_is_refused(tmp_path: Path, markup: str) -> None:
    text = markup.format("word " * 2_100_000)
    error = broken(tmp_path, f"{HEAD}<item><content:encoded>{text}</content:encoded></item>{TAIL}")
    assert error.message == "a single text is longer than 10 MB"


def test_a_broken_file_says_where_after_the_records_before_it(tmp_path: Path) -> None:
    good = "<item><wp:post_id>1</wp:post_id></item>\n" * 2000 + "\n" * 70_000
    text = f"{HEAD}{good}<item>\n<title>Half</tilte></item>{TAIL}"
    path = written(tmp_path, text)
    seen: list[Record] = []
    with pytest.raises(BrokenFile) as caught:
        seen.extend(read(path))
    error, offset = caught.value, text.index("<title>Half")
    assert (error.line, error.offset) == (text[:offset].count("\n") + 1, offset)
    assert text.splitlines()[error.line - 1][: error.column - 1].endswith("</tilte>")
    assert str(error).startswith(f"line {error.line}, column {error.column}, in the line from byte {offset}: ")
    assert 0 < len(seen) <= 2001


def test_a_file_cut_off_anywhere_is_broken(tmp_path: Path) -> None:
    whole = HARBOUR.read_bytes().rstrip()
    for size in range(1, len(whole), 997):
        assert broken(tmp_path, whole[:size]).line <= whole.count(b"\n") + 1


MEASURE = """
import resource, sys
from pathlib import Path
from app.importers.wordpress.reader import check

def peak():
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))

check(Path(sys.argv[1]))
before = peak()
found = check(Path(sys.argv[2])).total_items
sys.stdout.write(f"{found} {peak() - before}")
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    post = (
        f"<item><title>Post</title><content:encoded><![CDATA[{'A line of words.' * 500}]]></content:encoded>"
        f"<wp:post_id>1</wp:post_id>{'<wp:comment><wp:comment_id>1</wp:comment_id></wp:comment>' * 5}</item>\n"
    )
    small, large = tmp_path / "small.xml", tmp_path / "large.xml"
    for path, count in ((small, 100), (large, 4000)):
        with path.open("w") as file:
            file.write(HEAD)
            file.writelines(post for _ in range(count))
            file.write(TAIL)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, small, large], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found, growth_in_kb = map(int, run.stdout.split())
    assert found == 4000
    assert large.stat().st_size > 30_000_000
    assert growth_in_kb < 6_000

"""Files as they are given: compressed, several, broken by a character, or of another system."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from app.importers import sources
from app.importers.characters import find_first_fault
from app.importers.sources import UnsupportedFile, open_exports

XML = '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0">tide</rss>\n'


def zipped(path: Path, *files: tuple[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def read(*paths: Path, lenient: bool = False, system: str = "wordpress") -> tuple[list[tuple[str, str]], list[str]]:
    with open_exports(paths, system, lenient=lenient) as exports:
        return [(name, path.read_text("utf-8")) for path, name in exports.files], exports.notes


def refused(path: Path, system: str = "wordpress") -> str:
    with pytest.raises(UnsupportedFile) as caught:
        read(path, system=system)
    assert caught.value.file.startswith(path.name.removesuffix(".gz"))
    return str(caught.value)


def test_compressed_files_are_opened(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.xml", tmp_path / "b.xml.gz"
    plain.write_text(XML, "utf-8")
    packed.write_bytes(gzip.compress(XML.encode()))
    files = [("site/b.xml", XML), ("site/a.xml", "<a/>"), ("site/readme.txt", "x"), ("__MACOSX/site/._a.xml", "junk")]
    both = zipped(tmp_path / "c.zip", *files, ("site/c.xml.gz", gzip.compress(b"<c/>")))
    assert read(plain, packed, both) == (
        [("a.xml", XML), ("b.xml", XML), ("c.zip/a.xml", "<a/>"), ("c.zip/b.xml", XML), ("c.zip/c.xml", "<c/>")],
        ["c.zip: 1 other files of the archive are ignored"],
    )


def test_bombs_and_damaged_archives_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "FREE_UNPACKED", 10_000)
    bomb = tmp_path / "bomb.xml.gz"
    bomb.write_bytes(gzip.compress(b"<a>" + b" " * 5_000_000))
    assert "expands too much" in refused(bomb)
    assert "expands too much" in refused(zipped(tmp_path / "bomb.zip", ("a.xml", b" " * 5_000_000)))
    spaces = [(f"{number}.xml", b" " * 9_000) for number in range(9)]
    with monkeypatch.context() as strict:
        strict.setattr(sources, "MAX_RATIO", 10)
        assert "expands too much" in refused(zipped(tmp_path / "small.zip", *spaces)), "together, not one by one"
    cut = tmp_path / "cut.xml.gz"
    cut.write_bytes(gzip.compress(XML.encode() * 50)[:-20])
    assert "damaged" in refused(cut)
    torn = zipped(tmp_path / "torn.zip", ("a.xml", XML * 50))
    torn.write_bytes(torn.read_bytes()[:-40])
    assert "damaged" in refused(torn)
    monkeypatch.setattr(sources, "MAX_FILES", 2)
    assert "more than 2 files" in refused(zipped(tmp_path / "many.zip", *((f"{n}.xml", XML) for n in range(3))))
    monkeypatch.setattr(sources, "MAX_UNPACKED", len(XML))
    assert "expands too much" in refused(zipped(tmp_path / "two.zip", ("1.xml", XML), ("2.xml", XML)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"db":[{"meta":{"exported_on":1,"version":"5.0"},"data":{"posts":[]}}]}', "Ghost export (JSON)"),
        ('[{"title": "x"}]', "JSON"),
        ("post_id,post_date,is_published,email_sent_at\n1.a,2020,true,\n", "Substack export (CSV)"),
        ("title,date,author\na,b,c\n", "table (CSV)"),
        ("<!DOCTYPE html>\n<html><body>x</body></html>", "web page"),
        ("-- MySQL dump 10.13\n", "database dump"),
        ('<?xml version="1.0"?><disqus xmlns="http://disqus.com">', "use `import disqus`"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "export.data"
    path.write_text(content, "utf-8")
    assert said in refused(path)
    path.with_suffix(".gz").write_bytes(gzip.compress(content.encode()))
    assert said in refused(path.with_suffix(".gz"))


def test_other_archives_are_named(tmp_path: Path) -> None:
    assert "Substack" in refused(zipped(tmp_path / "a.zip", ("posts.csv", "post_id"), ("posts/1.html", "<p>")))
    assert "Ghost" in refused(zipped(tmp_path / "b.zip", ("data/ghost.json", "{}")))
    assert "Medium" in refused(zipped(tmp_path / "c.zip", ("posts/1.html", "<p>")))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.xml"))
    (tmp_path / "d.tar.gz").write_bytes(gzip.compress(tar.getvalue()))
    assert "tar archive" in refused(tmp_path / "d.tar.gz")
    path = tmp_path / "e.xml"
    path.write_text('<rss xmlns:wp="http://wordpress.org/export/1.2/">', "utf-8")
    assert "use `import wordpress`" in refused(path, system="disqus")


def test_lenient_repairs_what_xml_forbids_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    text = "<a>\n\x0bone &#1; &#x1F; &#9; &amp;\n<![CDATA[two\x00]]>\ufffe</a>".encode()
    path.write_bytes(text + b"\x93quoted\x94 \x81 caf\xc3\xa9")
    fault = find_first_fault(path)
    assert fault is not None
    assert (fault.line, fault.column, fault.description) == (2, 1, "the character U+000B")
    files, notes = read(path, lenient=True)
    assert files == [("a.xml", "<a>\none   &#9; &amp;\n<![CDATA[two]]></a>“quoted”  café")]
    assert notes[:3] == [
        "a.xml: line 2, column 1: the character U+000B is left out",
        "a.xml: line 2, column 6: the reference &#1; is left out",
        "a.xml: line 2, column 11: the reference &#x1F; is left out",
    ]
    assert "a.xml: line 3, column 22: the byte 0x93 (not UTF-8) is read as “" in notes


def test_lenient_reads_in_pieces_and_in_any_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(b'<?xml version="1.0" encoding="windows-1252"?><a>\x80&#5;\x01</a>')
    assert read(path, lenient=True)[0] == [("a.xml", '<?xml version="1.0"?><a>€</a>')]
    path.write_bytes("<a>é&#2;</a>".encode("utf-16"))
    assert read(path, lenient=True)[0] == [("a.xml", "<a>é</a>")]
    monkeypatch.setattr("app.importers.characters._CHUNK", 3)
    path.write_bytes("<a>é\n€&#x0B;&amp;&#2;\x0b</a>".encode())
    files, notes = read(path, lenient=True)
    assert files == [("a.xml", "<a>é\n€&amp;</a>")]
    assert [note.partition(": ")[2] for note in notes] == [
        "line 2, column 2: the reference &#x0B; is left out",
        "line 2, column 13: the reference &#2; is left out",
        "line 2, column 17: the character U+000B is left out",
    ]


def test_many_repairs_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<a>" + "\x01" * 50 + "</a>", "utf-8")
    notes = read(path, lenient=True)[1]
    assert len(notes) == sources.MAX_LISTED_REPAIRS + 1
    assert notes[-1] == "a.xml: 30 more such characters"


@pytest.mark.parametrize("encoding", ["klingon", "zlib", "hex", "undefined"])
def test_an_unknown_encoding_is_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f'<?xml version="1.0" encoding="{encoding}"?><a/>', "utf-8")
    with pytest.raises(UnsupportedFile, match=f"encoding {encoding} is unknown"):
        read(path, lenient=True)

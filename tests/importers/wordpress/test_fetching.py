"""Pictures of the old site, brought into the media store when asked."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.core.network_addresses import Guard
from app.db import Database
from app.importers.fetching import Fetcher
from app.importers.wordpress.loader import import_wordpress
from app.publication.storage import open_storage
from tests.importers.wordpress.exports import Loaded, dump, export, item, picture
from tests.make import Headers, ok

pytestmark = pytest.mark.portable


def png(color: str, size: int = 40) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), color).save(file, "PNG")
    return file.getvalue()


class OldSite:
    """A site on the loopback that counts what it is asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"/up/boat.png": png("red"), "/up/large.png": b"\x89PNG" + bytes(100_000)}
        self.moved = {"/up/moved.png": "/up/boat.png", "/up/round.png": "/up/round.png"}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                data, location = site.files.get(self.path), site.moved.get(self.path)
                self.send_response(200 if data else 302 if location else 404)
                if location:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(data or b"")

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture
def site() -> Iterator[OldSite]:
    old = OldSite()
    yield old
    old.server.shutdown()
    old.thread.join()
    old.server.server_close()


class Fetched(Loaded):
    """What an import that fetches pictures reported."""

    def __init__(self, db: Database, path: Path, store: str, allowed: tuple[str, ...] = ("127.0.0.0/8",)) -> None:
        report = import_wordpress(db, path, fetcher=Fetcher(open_storage(store), Guard(allowed), 50_000))
        self.summary, self.lines, self.failures = report.summary(), list(report.lines()), report.failures
        report.close()


def parts(site: OldSite) -> list[str]:
    text = (
        f'<a href="{site.url}/up/boat.png"><img src="{site.url}/up/boat-300x200.png" alt="Boat"></a>\n\n'
        f"[gallery ids='21']\n\n<a href='{site.url}/up/other.html'>page</a>"
    )
    files = {20: "boat.png", 21: "moved.png", 22: "gone.png", 23: "large.png", 24: "round.png"}
    pictures = [picture(number, attachment_url=f"{site.url}/up/{name}") for number, name in files.items()]
    return [item(1, meta=[("_thumbnail_id", 20)], content=text), *pictures]


def test_pictures_come_once_and_what_failed_can_come_later(
    client: TestClient, db: Database, settings: Any, site: OldSite, tmp_path: Path, editor: Headers
) -> None:
    path, store = export(tmp_path / "1.xml", *parts(site)), settings.media
    Loaded(db, path)  # an earlier import that left them where they were
    assert site.url in ok(client.get("/v1/articles/slug-1"))["image"]["url"]
    loaded = Fetched(db, path, store)
    assert loaded.counts("files") == {"came": 5, "new": 2, "failed": 3}
    assert loaded.line("files", 22).reasons == ["the picture was not fetched: the server answered 404"]
    assert "too large" in loaded.line("files", 23).reasons[0]
    assert loaded.line("files", 24).reasons == ["the picture was not fetched: too many redirects"]
    article = ok(client.get("/v1/articles/slug-1"))
    assert (article["image"]["width"], article["image"]["height"]) == (40, 40)
    assert "/media/" in article["image"]["url"]
    html = article["body"]["html"]
    assert html.count("/media/") == 3
    assert f"{site.url}/up/other.html" in html
    assert f"{site.url}/up/boat" not in html
    key = article["image"]["url"].partition("/media/")[2]
    assert client.get(f"/media/{key}").headers["content-type"] == "image/png"
    media = ok(client.get("/v1/media?limit=10", headers=editor))["data"]
    assert sorted(row["state"] for row in media) == ["reference"] * 3 + ["stored"] * 2

    site.asked.clear()
    site.files["/up/gone.png"] = png("blue")
    again = Fetched(db, path, store)
    assert again.counts("files") == {"came": 3, "new": 1, "failed": 2}
    assert "/up/boat.png" not in site.asked
    before = dump(db)
    assert Loaded(db, path).outcomes() == {"unchanged"}
    assert dump(db) == before


def test_private_addresses_are_never_called(db: Database, settings: Any, site: OldSite, tmp_path: Path) -> None:
    path = export(tmp_path / "1.xml", picture(20, attachment_url=f"{site.url}/up/boat.png"))
    loaded = Fetched(db, path, settings.media, allowed=())
    assert loaded.line("files", 20).reasons == [
        "the picture was not fetched: an address that is not of the public internet"
    ]
    site.moved["/up/away.png"] = "http://169.254.169.254/latest"
    path = export(tmp_path / "2.xml", picture(21, attachment_url=f"{site.url}/up/away.png"))
    assert "not of the public internet" in Fetched(db, path, settings.media).line("files", 21).reasons[0]


def test_an_address_that_is_none_stops_no_import(db: Database, settings: Any, site: OldSite, tmp_path: Path) -> None:
    site.moved["/up/odd.png"] = "http://["
    pictures = [
        picture(number, attachment_url=f"{site.url}/up/{name}.png") for number, name in ((20, "odd"), (21, "boat"))
    ]
    loaded = Fetched(db, export(tmp_path / "1.xml", *pictures), settings.media)
    assert loaded.line("files", 20).reasons == ["the picture was not fetched: the redirect has an invalid URL"]
    assert loaded.counts("files") == {"came": 2, "new": 1, "failed": 1}
    fetcher = Fetcher(open_storage(settings.media), Guard(("127.0.0.0/8",)), 50_000)
    assert isinstance(fetcher.fetch(["http://[/x.png"])[0], str)


def test_a_host_that_always_fails_is_left_alone(db: Database, settings: Any, site: OldSite, tmp_path: Path) -> None:
    pictures = [picture(number, attachment_url=f"{site.url}/no/{number}.png") for number in range(1, 41)]
    loaded = Fetched(db, export(tmp_path / "1.xml", *pictures), settings.media)
    assert loaded.counts("files") == {"came": 40, "failed": 40}
    assert 20 <= len(site.asked) < 30

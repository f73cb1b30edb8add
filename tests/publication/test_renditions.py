"""Renditions are made on request, once, at signed addresses."""

import asyncio
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from PIL import Image
from starlette.testclient import TestClient

from app.core.problems import Unavailable
from app.core.settings import Settings
from app.main import create_app
from app.publication import rendition_files
from app.publication.rendition_files import RenditionMaker
from app.publication.renditions import PictureRow, Spec, find_box, fit_spec, parse_spec
from app.publication.storage import open_storage
from app.web.offload import Offload
from tests.make import ok

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The app, which makes renditions in threads."""
    with TestClient(create_app(settings.model_copy(update={"picture_processes": 0}), with_worker=False)) as client:
        yield client


@pytest.fixture
def upload(client: TestClient, editor: Headers) -> Callable[..., dict[str, Any]]:
    def upload(**described: str) -> dict[str, Any]:
        file = io.BytesIO()
        Image.new("RGB", (1000, 500), "navy").save(file, "JPEG")
        answer = client.post("/v1/media", files={"file": file.getvalue()}, data=described, headers=editor)
        return ok(answer, 201)

    return upload


def opened(answer: Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def test_a_rendition_is_made_at_its_first_request_and_kept(
    client: TestClient, upload: Callable[..., dict[str, Any]], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = upload()
    url = made["renditions"][0]["url"]
    first = client.get(url)
    assert (opened(first).size, opened(first).format) == ((320, 160), "WEBP")
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert len(list(Path(settings.media).glob("renditions/*/*/320x160.webp"))) == 1
    monkeypatch.setattr(rendition_files, "make_file", None)  # what is kept is not made again
    assert client.get(url).content == first.content
    again = client.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_signature_holds_for_the_formats_and_for_nothing_else(
    client: TestClient, upload: Callable[..., dict[str, Any]]
) -> None:
    made, other = upload(focal_point="0.25,0.5"), upload()
    whole, square = made["renditions"][0]["url"], made["crops"][0]["url"]
    formats = {"webp": "WEBP", "avif": "AVIF", "jpg": "JPEG"}
    assert {form: opened(client.get(whole.replace(".webp?", f".{form}?"))).format for form in formats} == formats
    assert "f=250-500&" in square
    for url in (
        whole.partition("?")[0],
        whole.replace("320x", "321x"),
        whole[:-1] + ("0" if whole[-1] != "0" else "1"),
        whole.replace(made["id"], other["id"]),
        whole + "&f=250-500",
        square.replace("250-500", "251-500"),
        square.replace("250-500", "wrong"),
        whole.replace("320x160", "99999x1"),
    ):
        answer = client.get(url)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), url
    assert client.get(whole.replace(made["id"], "0199aaaa-0000-7000-8000-000000000000")).status_code == 404


def test_a_focal_point_is_set_and_decides_about_crops(
    client: TestClient, editor: Headers, upload: Callable[..., dict[str, Any]]
) -> None:
    made = upload(focal_point="0.25,0.5")
    assert made["focal_point"] == {"x": 0.25, "y": 0.5}
    path, changes = f"/v1/media/{made['id']}", {**editor, "If-Match": "*"}
    moved = ok(client.patch(path, json={"focal_point": {"x": 1, "y": 0}}, headers=changes))
    assert "f=1000-0&" in moved["crops"][0]["url"]
    assert client.get(made["crops"][0]["url"]).status_code == 200  # pages that were read before still show the old one
    assert ok(client.patch(path, json={"focal_point": None}, headers=changes))["focal_point"] is None
    for wrong in {"x": 2, "y": 0}, {"x": 0.5}, "0.5,0.5,0.5", {"x": "a", "y": 0}:
        assert client.patch(path, json={"focal_point": wrong}, headers=changes).status_code == 422
    assert find_box(1000, 500, Spec(100, 100)) == (250, 0, 750, 500)
    assert find_box(1000, 500, Spec(100, 100, (1000, 0))) == (500, 0, 1000, 500)


@pytest.mark.parametrize("text", ["0x1", "1x0", "4097x1", "1", "1x1x1", "-1x1", "01x1", "1x1 "])
def test_impossible_sizes_are_no_renditions(text: str) -> None:
    assert parse_spec(text, None) is None


ROW: PictureRow = {
    "id": "0199aaaa-0000-7000-8000-000000000000",
    "key": "aa/source.jpg",
    "width": 40,
    "height": 40,
    "token": "00",
    "focal_x": None,
    "focal_y": None,
}


def test_renditions_are_never_larger_than_the_picture() -> None:
    row: PictureRow = {**ROW, "width": 300, "height": 200}
    assert fit_spec(row, 600, None) == Spec(300, 200)
    assert fit_spec(row, 600, 600) == Spec(200, 200)
    assert fit_spec(row, None, 100) == Spec(150, 100)


class Slow(Offload):
    """An offload that counts, and does nothing before it is let go."""

    def __init__(self, max_waiting: int) -> None:
        self.ran, self.gate, self._max = 0, asyncio.Event(), max_waiting

    async def run(self, function: Any, *arguments: Any) -> Any:
        self.ran += 1
        if self.ran > self._max:
            raise Unavailable("Too many.", retry_after=1)
        await self.gate.wait()
        return b"made"


def test_many_requests_for_one_file_make_it_once_and_too_many_files_are_refused(tmp_path: Path) -> None:
    async def request_all() -> None:
        asyncio.get_running_loop().set_default_executor(
            ThreadPoolExecutor(1)
        )  # who looks for a file first goes on first
        slow = Slow(max_waiting=1)
        maker = RenditionMaker(str(tmp_path), open_storage(str(tmp_path)), slow)
        waiting = [asyncio.create_task(maker.get_file(ROW, Spec(10, 10), "webp")) for _ in range(5)]
        while not slow.ran:
            await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await maker.get_file(ROW, Spec(11, 11), "webp")
        waiting.pop().cancel()  # whoever goes away takes nothing from the others
        slow.gate.set()
        assert await asyncio.gather(*waiting) == [b"made"] * 4
        assert slow.ran == 2

    asyncio.run(request_all())


def test_editors_sign_renditions_of_any_size(
    client: TestClient, editor: Headers, upload: Callable[..., dict[str, Any]]
) -> None:
    path = f"/v1/media/{upload(focal_point='1,0')['id']}/rendition"
    for query, size in {
        "": (1000, 500),
        "width=100": (100, 50),
        "height=100&format=avif": (200, 100),
        "width=300&height=300&format=jpg": (300, 300),
        "width=4000&height=4000": (500, 500),
    }.items():
        signed = ok(client.get(f"{path}?{query}", headers=editor))
        assert opened(client.get(signed["url"])).size == (signed["width"], signed["height"]) == size
    assert client.get(f"{path}?width=5000", headers=editor).status_code == 400
    assert client.get(path).status_code == 401

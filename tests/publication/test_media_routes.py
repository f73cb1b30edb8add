"""Pictures come in, are described, served for ever, and go when nothing shows them."""

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from PIL import ExifTags, Image
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.events.log import read_after
from app.events.schemas import START
from app.identity.schemas import SYSTEM
from app.main import create_app
from app.publication import media_library
from app.publication.storage import StorageFull, StorageUnavailable
from tests.services import replace_services

pytestmark = pytest.mark.portable

Headers = dict[str, str]
Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]
Upload = Callable[..., Response]


def picture(colour: str = "navy", width: int = 700, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, 50), colour).save(out, kind)
    return out.getvalue()


@pytest.fixture
def upload(client: TestClient, editor: Headers) -> Upload:
    def upload(content: bytes, *, headers: Headers | None = None, **said: Any) -> Response:
        files = {"file": ("../evil name.exe", content, "text/html")}
        return client.post("/v1/media", files=files, data=said, headers={**editor, **(headers or {})})

    return upload


@pytest.fixture
def stored(settings: Settings) -> Callable[[], list[str]]:
    """The files that lie in the store now."""

    def stored() -> list[str]:
        folder = Path(settings.media)
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())

    return stored


def test_an_upload_is_known_by_its_content_and_served_for_ever(client: TestClient, upload: Upload) -> None:
    answer = upload(picture(), alt=" A ship ", caption="At sea", credit="Ada")
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/media/{made['id']}"
    assert (made["state"], made["mime"], made["width"], made["height"]) == ("stored", "image/png", 700, 50)
    assert (made["alt"], made["caption"], made["credit"]) == ("A ship", "At sea", "Ada")
    assert [(copy["name"], copy["width"]) for copy in made["renditions"]] == [("w320", 320), ("w640", 640)]
    assert [(copy["name"], copy["width"]) for copy in made["crops"]] == [("square", 50), ("wide", 89), ("social", 95)]
    kinds = {"w320": "image/webp", "w640": "image/webp", "square": "image/webp", "wide": "image/webp"}
    kinds |= {"social": "image/jpeg"}
    copies = [(copy, kinds[copy["name"]]) for copy in (*made["renditions"], *made["crops"])]
    for shown, mime in (made, "image/png"), *copies:
        file = client.get(shown["url"])
        assert file.status_code == 200
        assert file.headers["content-type"] == mime == shown["mime"]
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert file.headers["content-security-policy"] == "default-src 'none'"
        assert file.headers["x-content-type-options"] == "nosniff"
        assert Image.open(io.BytesIO(file.content)).size == (shown["width"], shown["height"])
    assert len(client.get(made["url"]).content) == made["bytes"]


@pytest.mark.parametrize(("kind", "kept"), [("PNG", False), ("AVIF", False), ("GIF", True), ("WEBP", True)])
def test_the_answer_says_whether_an_animation_was_kept(
    upload: Upload, client: TestClient, kind: str, kept: bool
) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("navy", "red", "gold")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=100)
    answer = upload(out.getvalue())
    assert answer.status_code == 201
    assert len(answer.json()["warnings"]) == (0 if kept else 1)
    file = Image.open(io.BytesIO(client.get(answer.json()["url"]).content))
    assert getattr(file, "n_frames", 1) == (3 if kept else 1)
    assert upload(picture(kind=kind)).json()["warnings"] == []


def test_a_file_that_is_known_already_is_not_sent_again(client: TestClient, upload: Upload) -> None:
    url = upload(picture()).json()["url"]
    tag = client.get(url).headers["etag"]
    again = client.get(url, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"].endswith("immutable")
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    "key", ["", "x", "ab/none.png", f"ab/{'a' * 32}.png", f"ab/{'a' * 32}.svg", "../broadsheet.db", "%2e%2e/x", "%00"]
)
def test_what_is_no_file_is_a_404(key: str, client: TestClient) -> None:
    answer = client.get(f"/media/{key}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_same_picture_again_shares_its_files(
    upload: Upload, send: Send, client: TestClient, stored: Callable[[], list[str]]
) -> None:
    one, two = upload(picture()).json(), upload(picture(), alt="Other").json()
    assert one["id"] != two["id"]
    assert (one["url"], one["sha256"]) == (two["url"], two["sha256"])
    assert client.get(one["renditions"][0]["url"]).status_code == 200
    assert len(stored()) == 3  # with the rendition and the original
    assert send("DELETE", f"/v1/media/{one['id']}").status_code == 204
    assert client.get(two["url"]).status_code == 200
    assert send("DELETE", f"/v1/media/{two['id']}").status_code == 204
    assert client.get(two["url"]).status_code == 404
    assert stored() == []


def test_an_upload_sent_twice_with_one_key_is_one_picture(upload: Upload, send: Send) -> None:
    key = {"Idempotency-Key": "once"}
    first, again = upload(picture(), headers=key), upload(picture(), headers=key)
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    for other in upload(picture("red"), headers=key), upload(picture(), headers=key, alt="x"):
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(send("GET", "/v1/media").json()["data"]) == 1


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_media_type"),
        (b"", 415, "unsupported_media_type"),
        (picture()[:60], 422, "image_refused"),
    ],
)
def test_what_is_no_picture_is_refused(
    content: bytes, status: int, code: str, upload: Upload, stored: Callable[[], list[str]]
) -> None:
    answer = upload(content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert stored() == []


def test_a_form_that_does_not_fit_is_refused(client: TestClient, editor: Headers, upload: Upload) -> None:
    files = {"file": ("a.png", picture())}
    assert upload(picture(), credit="x" * 301).json()["errors"][0]["pointer"] == "/credit"
    assert upload(picture(), alt="a\0b").status_code == 422
    assert upload(picture(), title="x").json()["errors"][0]["pointer"] == "/title"
    missing = client.post("/v1/media", data={"alt": "x"}, files={"other": b"x"}, headers=editor)
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "/file")
    text = client.post("/v1/media", files={"file": (None, "text")}, headers=editor)
    assert text.status_code == 422
    two = client.post("/v1/media", files=[("file", b"a"), ("file", b"b")], headers=editor)
    many = client.post("/v1/media", files=files, data={str(number): "x" for number in range(9)}, headers=editor)
    assert (two.status_code, many.status_code) == (400, 400)
    assert client.post("/v1/media", json={"file": "x"}, headers=editor).status_code == 415
    broken = {**editor, "Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/media", content=b"--y nonsense", headers=broken).status_code in {400, 422}
    assert client.post("/v1/media", files=files, headers={"Authorization": "Bearer no"}).status_code == 401


def test_uploads_have_a_limit_of_their_own(settings: Settings, editor: Headers) -> None:
    small = settings.model_copy(update={"max_media_size": 100_000, "max_body_size": 1000})
    with TestClient(create_app(small, with_worker=False)) as client:

        def post(size: int) -> Response:
            content = picture(kind="JPEG")
            padded = content + b"\0" * (size - len(content))
            return client.post("/v1/media", files={"file": padded}, headers=editor)

        assert post(90_000).status_code == 201
        for size in (100_001, 300_000):
            answer = post(size)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

        def endless() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(300):
                yield b"\0" * 1000

        form = {**editor, "Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/v1/media", content=endless(), headers=form).status_code == 413
        assert client.post("/v1/sections", content=b" " * 1001, headers=editor).status_code == 413


def test_a_picture_is_described_anew(upload: Upload, send: Send) -> None:
    made = upload(picture(), alt="Old", credit="Ada").json()
    path = f"/v1/media/{made['id']}"
    changed = send("PATCH", path, {"alt": "New", "caption": "Words"})
    said = {"alt": "New", "caption": "Words", "updated_at": changed.json()["updated_at"]}
    assert changed.json() == {**made, **said}
    assert send("GET", path).json() == changed.json()
    plain = send("GET", path, headers={"Accept-Encoding": "identity"})
    assert plain.headers["etag"] == changed.headers["etag"]
    for body in {"alt": None}, {"width": 1}, {"url": "https://a.example/"}:
        assert send("PATCH", path, body).status_code == 422
    assert send("PATCH", path, {"alt": "x"}, headers={"If-Match": '"v1-x"'}).status_code == 412


def test_pictures_are_listed_newest_first(upload: Upload, send: Send) -> None:
    ids = [upload(picture(width=10), alt=str(number)).json()["id"] for number in range(3)]
    first = send("GET", "/v1/media?limit=2").json()
    assert [row["id"] for row in first["data"]] == [ids[2], ids[1]]
    rest = send("GET", f"/v1/media?limit=2&cursor={first['page']['next']}").json()
    assert [row["id"] for row in rest["data"]] == [ids[0]]


def test_the_library_is_searched_and_filtered(upload: Upload, make: Make, send: Send) -> None:
    ferry = upload(picture(), alt="The Ferry at NIGHT", credit="Ines Köhler").json()
    gull = upload(picture("red", kind="JPEG"), caption="A gull, 100%").json()
    path = gull["url"].partition("/media/")[2]
    html = f'<p>x</p><img src="/media/{path}" alt="">'
    article = make("articles", title="In a text", body={"html": html})
    make("authors", name="Ada", image=ferry["id"])

    def found(query: str) -> list[str]:
        return [row["id"] for row in send("GET", f"/v1/media?{query}").json()["data"]]

    for query, expected in {
        "": [gull, ferry],
        "q=night+ferry": [ferry],
        "q=KÖHLER": [ferry],
        "q=100%25": [gull],
        "q=_": [],
        "kind=png": [ferry],
        "kind=jpeg": [gull],
        "kind=reference": [],
        "used=true": [gull, ferry],
        "used=false": [],
        "used=true&kind=png&count=exact": [ferry],
    }.items():
        assert found(query) == [row["id"] for row in expected], query
    assert send("GET", "/v1/media?kind=svg").status_code == 400
    uses = send("GET", f"/v1/media/{gull['id']}/uses").json()["data"]
    assert uses == [{"kind": "article", "role": "text", "id": article["id"], "title": "In a text"}]
    assert send("GET", f"/v1/media/{gull['id']}").json()["uses"] == 1
    refused = send("DELETE", f"/v1/media/{gull['id']}")
    assert (refused.status_code, refused.json()["uses"]["articles"]["ids"]) == (409, [article["id"]])
    send("PATCH", f"/v1/articles/{article['id']}", {"body": {"html": "<p>Without</p>"}})
    assert found("used=false") == [gull["id"]]
    assert send("DELETE", f"/v1/media/{gull['id']}").status_code == 204


def located(manifest: bool = True) -> bytes:
    """A JPEG that says where it was taken, in Exif and XMP, with a manifest of its provenance."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    out = io.BytesIO()
    Image.new("RGB", (400, 400), "green").save(out, "JPEG", exif=exif, xmp=b'<x exif:GPSLatitude="48,12N"/>')
    data = out.getvalue()
    box = b"JP\0\x01\0\0\0\x01\0\0\0\x20jumb\0\0\0\x18jumdc2pa"
    segment = b"\xff\xeb" + (len(box) + 2).to_bytes(2, "big") + box
    return data[:2] + segment + data[2:] if manifest else data


def test_an_original_is_kept_and_told_of_and_never_served(
    client: TestClient, upload: Upload, make: Make, send: Send, stored: Callable[[], list[str]]
) -> None:
    data = located()
    made, plain = upload(data).json(), upload(located(manifest=False)).json()
    assert (made["provenance"], plain["provenance"]) == ("c2pa", None)
    assert made["original"] == {
        "mime": "image/jpeg",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "location": True,
    }
    assert upload(picture()).json()["original"]["location"] is False
    author = make("authors", name="Ada", image=made["id"])
    assert author["image"]["provenance"] == "c2pa"
    for copy in (made, *made["renditions"], *made["crops"]):
        for form in ("webp", "avif", "jpg") if copy is not made else ("jpg",):
            file = client.get(re.sub(r"\.\w+(\?|$)", rf".{form}\1", copy["url"]))
            assert file.status_code == 200
            assert not [word for word in (b"GPS", b"c2pa", b"Exif", b"xmp") if word in file.content]
            assert not Image.open(io.BytesIO(file.content)).getexif()
    path = f"/v1/media/{made['id']}"
    assert send("GET", f"{path}/original").content == data
    assert client.get(f"{path}/original").status_code == 401
    key = next(key for key in stored() if key.startswith("originals/"))
    assert client.get(f"/media/{key}").status_code == 404
    send("PATCH", "/v1/authors/ada", {"image": None})
    assert send("DELETE", path).status_code == 204
    assert hashlib.sha256(data).hexdigest() not in "".join(stored())
    assert send("GET", f"/v1/media/{plain['id']}/original").status_code == 200


def test_what_is_shown_cannot_be_deleted(upload: Upload, make: Make, send: Send, client: TestClient) -> None:
    made = upload(picture()).json()
    author = make("authors", name="Ada", image=made["id"])
    answer = send("DELETE", f"/v1/media/{made['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert answer.json()["uses"] == {"authors": {"count": 1, "ids": [author["id"]]}}
    assert client.get(made["url"]).status_code == 200
    send("PATCH", "/v1/authors/ada", {"image": None})
    article = make("articles", title="x", image=made["id"], body={"html": "<p>x</p>"})
    assert send("DELETE", f"/v1/media/{made['id']}").status_code == 409
    send("DELETE", f"/v1/articles/{article['id']}")
    assert send("DELETE", f"/v1/media/{made['id']}").status_code == 204


def test_a_reference_stays_where_it_is(send: Send, db: Database) -> None:
    with db.transaction() as session:
        made = media_library.create_reference(
            session, SYSTEM, "https://elsewhere.example/a.png", "Alt", "Caption", "Credit"
        )
        assert media_library.require_media(session, made) == made
    shown = send("GET", f"/v1/media/{made}").json()
    assert (shown["state"], shown["url"]) == ("reference", "https://elsewhere.example/a.png")
    assert (shown["alt"], shown["caption"], shown["credit"]) == ("Alt", "Caption", "Credit")
    assert [shown[name] for name in ("mime", "width", "height", "bytes", "renditions")] == [None, None, None, None, []]
    assert send("DELETE", f"/v1/media/{made}").status_code == 204


def test_reading_and_writing_need_their_scopes(
    client: TestClient, upload: Upload, make: Make, make_key: Callable[..., Headers]
) -> None:
    path = f"/v1/media/{upload(picture()).json()['id']}"
    reader, publisher = make_key("content:read"), make_key("content:publish")
    limited = make_key("content:write", sections=[make("sections", name="Mine")["id"]])
    files = {"file": picture("red")}
    for place in "/v1/media", path:
        assert client.get(place).status_code == 401
        assert client.get(place, headers=publisher).status_code == 403
        assert client.get(place, headers=make_key("content:write")).status_code == 200
    assert client.post("/v1/media", files=files).status_code == 401
    assert client.post("/v1/media", files=files, headers=reader).status_code == 403
    assert client.post("/v1/media", files=files, headers=limited).status_code == 201
    any_version = {**limited, "If-Match": "*"}
    assert client.patch(path, json={"alt": "x"}, headers=any_version).status_code == 403
    assert client.delete(path, headers=any_version).status_code == 403


def test_facts(upload: Upload, send: Send, db: Database) -> None:
    made = upload(picture()).json()
    path = f"/v1/media/{made['id']}"
    send("PATCH", path, {"alt": "x"})
    send("DELETE", path)
    with db.connect() as connection:
        new, changed, deleted = read_after(connection, START)
    own = ["media", f"media:{made['id']}"]
    assert (new.type, new.groups, new.payload) == ("media.changed", own, {"created": True})
    assert (changed.type, changed.groups, changed.payload) == (
        "media.changed",
        [*own, "publication"],
        {"created": False},
    )
    assert (deleted.type, deleted.groups) == ("media.deleted", [*own, "publication"])


class BrokenStorage:
    """A store that fails at whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object) -> None:
            raise self.error

        return fail


@pytest.mark.parametrize(("error", "status"), [(StorageFull("x"), 507), (StorageUnavailable("x"), 503)])
def test_a_store_that_fails_leaves_no_row(
    error: Exception, status: int, client: TestClient, upload: Upload, send: Send
) -> None:
    url = upload(picture("red")).json()["url"]
    replace_services(client.app, media=BrokenStorage(error))
    assert upload(picture()).status_code == status
    assert client.get(url).status_code == status
    assert len(send("GET", "/v1/media").json()["data"]) == 1


def test_files_that_went_with_the_last_row_meanwhile_are_put_back(
    client: TestClient, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, create = client.app.state.services.media, media_library.create_media  # type: ignore[attr-defined]

    def lose_files(session: Any, actor: Any, made: media_library.Upload, data: Any) -> str:
        media_library.delete_files(store, list(made.files()))
        return create(session, actor, made, data)

    monkeypatch.setattr(media_library, "create_media", lose_files)
    assert client.get(upload(picture()).json()["url"]).status_code == 200

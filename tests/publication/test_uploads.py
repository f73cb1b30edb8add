"""Uploads in two steps: the file goes to an address that needs no key, and is looked at afterwards."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from app.core import clock
from app.core.settings import Settings
from app.db import Database
from app.publication.storage import NoSuchFile, open_storage
from app.publication.uploads import has_expired_uploads, key_of_upload, prune_uploads
from tests.make import ok

pytestmark = pytest.mark.portable

Headers = dict[str, str]
Begin = Callable[..., dict[str, Any]]


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 20), "navy").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def begin(client: TestClient, editor: Headers) -> Begin:
    def begin(size: int, **described: Any) -> dict[str, Any]:
        return ok(client.post("/v1/media/uploads", json={"bytes": size, **described}, headers=editor), 201)

    return begin


def path_of(begun: dict[str, Any]) -> str:
    return str(begun["url"]).partition("site.example")[2]


def test_a_file_is_sent_and_becomes_a_picture_once(client: TestClient, editor: Headers, begin: Begin) -> None:
    data = picture()
    begun = begin(len(data), alt="A ship", focal_point={"x": 0.25, "y": 1})
    finish = f"/v1/media/uploads/{begun['id']}/finish"
    early = client.post(finish, headers=editor)
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    assert client.put(path_of(begun), content=data, headers=begun["headers"]).status_code == 204
    made = ok(client.post(finish, headers=editor), 201)
    assert (made["alt"], made["focal_point"], made["width"]) == ("A ship", {"x": 0.25, "y": 1}, 40)
    assert client.get(made["url"]).status_code == 200
    assert ok(client.post(finish, headers=editor))["id"] == made["id"]
    assert client.put(path_of(begun), content=data).status_code == 404
    assert len(ok(client.get("/v1/media", headers=editor))["data"]) == 1


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"<svg/>", 415, "unsupported_media_type"), (picture()[:60], 422, "image_refused")],
)
def test_what_arrives_is_looked_at(
    content: bytes, status: int, code: str, client: TestClient, editor: Headers, begin: Begin, settings: Settings
) -> None:
    begun = begin(len(content))
    assert client.put(path_of(begun), content=content).status_code == 204
    answer = client.post(f"/v1/media/uploads/{begun['id']}/finish", headers=editor)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    with pytest.raises(NoSuchFile):
        open_storage(settings.media).get(key_of_upload(begun["id"]))


def test_another_size_and_another_address_are_refused(
    client: TestClient, editor: Headers, begin: Begin, settings: Settings
) -> None:
    data = picture()
    begun = begin(len(data))
    assert client.put(path_of(begun), content=data + b"x").status_code == 413
    assert client.put(path_of(begun), content=data[:-1]).status_code == 422
    assert client.put(path_of(begun)[:-1] + "-", content=data).status_code == 404
    open_storage(settings.media).put(key_of_upload(begun["id"]), data + b"x")  # as if the store had taken it
    answer = client.post(f"/v1/media/uploads/{begun['id']}/finish", headers=editor)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "image_size")
    too_large = client.post("/v1/media/uploads", json={"bytes": settings.max_media_size + 1}, headers=editor)
    assert (too_large.status_code, too_large.json()["code"]) == (413, "body_too_large")


def test_uploads_that_were_given_up_are_deleted(
    client: TestClient,
    editor: Headers,
    begin: Begin,
    db: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = begin(len(picture()))
    client.put(path_of(begun), content=picture())
    with db.connect() as connection:
        assert not has_expired_uploads(connection)
    later = clock.now() + timedelta(hours=2)
    monkeypatch.setattr("app.publication.uploads.now", lambda: later)
    with db.connect() as connection:
        assert has_expired_uploads(connection)
    with db.transaction() as session:
        assert prune_uploads(session, settings.media) == 1
        assert prune_uploads(session, settings.media) == 0
    assert client.post(f"/v1/media/uploads/{begun['id']}/finish", headers=editor).status_code == 404
    with pytest.raises(NoSuchFile):
        open_storage(settings.media).get(key_of_upload(begun["id"]))

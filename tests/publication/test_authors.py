"""What authors have beside a name."""

from collections.abc import Callable
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from app.db import Database
from app.identity.schemas import SYSTEM
from app.publication.media_library import create_reference

pytestmark = pytest.mark.portable

Make = Callable[..., dict[str, Any]]
Send = Callable[..., Response]


@pytest.fixture
def picture(db: Database) -> str:
    with db.transaction() as session:
        return create_reference(session, SYSTEM, "https://elsewhere.example/a.jpg", "Ada")


def test_an_author_has_a_bio_a_page_and_a_picture(client: TestClient, make: Make, picture: str) -> None:
    made = make(
        "authors", name="Ada", bio_html="<p>Hi <script>x</script></p>", website="https://a.example/", image=picture
    )
    assert (made["bio_html"], made["bio_text"], made["website"]) == ("<p>Hi </p>", "Hi", "https://a.example/")
    assert made["image"]["id"] == picture
    assert (made["image"]["url"], made["image"]["alt"]) == ("https://elsewhere.example/a.jpg", "Ada")
    assert client.get("/v1/authors").json()["data"] == [made]
    assert "media" in client.get("/v1/authors/ada").headers["surrogate-key"].split()


def test_an_author_may_have_only_a_name(make: Make) -> None:
    made = make("authors", name="Ada")
    assert [made[name] for name in ("bio_html", "bio_text", "website", "image")] == ["", "", None, None]


def test_an_author_changes(make: Make, send: Send, picture: str) -> None:
    make("authors", name="Ada", website="https://a.example/", image=picture)
    changed = send("PATCH", "/v1/authors/ada", {"bio_text": "a & b"}).json()
    assert (changed["bio_html"], changed["bio_text"]) == ("<p>a &amp; b</p>", "a & b")
    assert changed["image"]["id"] == picture
    cleared = send("PATCH", "/v1/authors/ada", {"website": None, "image": None, "bio_html": ""}).json()
    assert [cleared[name] for name in ("bio_html", "bio_text", "website", "image")] == ["", "", None, None]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"bio_html": "a", "bio_text": "a"}, "/bio_html"),
        ({"image": "0199aaaa-0000-7000-8000-000000000000"}, "/image"),
        ({"image": "none"}, "/image"),
        ({"website": "javascript:alert(1)"}, "/website"),
    ],
)
def test_what_does_not_fit_is_told_by_pointer(body: dict[str, Any], pointer: str, make: Make, send: Send) -> None:
    make("authors", name="Ada")
    for answer in (send("POST", "/v1/authors", {"name": "Bob", **body}), send("PATCH", "/v1/authors/ada", body)):
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)

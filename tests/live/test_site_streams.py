"""The stream of the publication."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.settings import Settings
from app.db import Database
from app.events.catalog import EVENTS, LoggedEvent
from app.events.schemas import Position
from app.events.staff_events import MODERATION_TYPES
from app.live.messages import make_site_frame
from app.live.schemas import TYPES
from tests import make
from tests.flows.conftest import serving
from tests.live.conftest import Reader, check_event, following, read

pytestmark = pytest.mark.portable

Headers = dict[str, str]


@pytest.fixture
def integrator(make_key: Callable[..., Headers]) -> Headers:
    return make_key("syndicate")


def follow(client: TestClient, headers: Headers, **query: str) -> list[Any]:
    answer = client.get("/v1/live", headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    return read(answer)


def test_it_is_for_keys_that_may_syndicate(client: TestClient, editor: Headers, integrator: Headers) -> None:
    assert client.get("/v1/live").status_code == 401
    assert client.get("/v1/live", headers=editor).status_code == 403
    assert client.get("/v1/live", headers=integrator).status_code == 200


def test_every_public_fact_comes_thin(client: TestClient, editor: Headers, integrator: Headers) -> None:
    article = make.published(client, editor, "Fog")
    comment = make.said(client, article, "Words of a reader.")
    published, said = follow(client, integrator, last_event_id="0.0")
    assert (published.type, published.data["type"]) == ("article.published", "article.published")
    assert published.data["timestamp"].endswith("Z")
    groups = ["articles", f"article:{article['id']}"]
    about = {"id": article["id"], "position": published.id, "cache_groups": groups, "slug": "fog", "revision": 1}
    assert published.data["data"] == about
    assert (said.type, said.data["data"]["id"], said.data["data"]["position"]) == (
        "comment.published",
        comment["id"],
        said.id,
    )
    assert "Words" not in str(said)
    assert follow(client, integrator, last_event_id=published.id) == [said]


def test_types_are_chosen(client: TestClient, admin: Headers, integrator: Headers) -> None:
    article = make.published(client, admin, "Fog")
    make.said(client, article, "Yes.")
    make.section(client, admin, "News")
    make.notice(client, admin, scope="article", target_id=article["id"], placement="before", text="Mind.")
    found = {
        query: [event.type for event in follow(client, integrator, last_event_id="0.0", types=query)]
        for query in ("article.*", "comment.published,section.*", "tag.*")
    }
    assert found == {
        "article.*": ["article.published"],
        "comment.published,section.*": ["comment.published", "section.changed"],
        "tag.*": [],
    }
    (notice,) = follow(client, integrator, last_event_id="0.0", types="notice.changed")
    assert article["id"] not in str(notice), "what a notice stands with may not be public"
    for query in ("", "article", "*", "anchor.changed", "article.*,no.thing", "article.* ,comment.*"):
        answer = client.get("/v1/live", headers=integrator, params={"types": query})
        assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "types"), query


def test_what_can_be_followed_is_stated_somewhere() -> None:
    assert set(TYPES) <= set(EVENTS)


@pytest.mark.parametrize("name", [*TYPES, *MODERATION_TYPES])
@hypothesis.settings(max_examples=10, deadline=None)
@hypothesis.given(data=st.data())
def test_every_event_is_as_documented(name: str, data: st.DataObject) -> None:
    kind = EVENTS[name]
    event = data.draw(st.builds(kind, **{field.name: ... for field in fields(kind)}))
    logged = LoggedEvent(Position(0, 1), name, event.subject_id, None, now(), event.cache_groups(), event.payload())
    (sent,) = Reader(iter(make_site_frame(logged).text.decode().split("\n")), "/v1/live")
    assert sent.type == name


def test_events_that_are_not_as_documented_are_found() -> None:
    with pytest.raises(AssertionError):
        check_event("/v1/live", "article.published", {"type": "article.published", "timestamp": "now", "data": {}})
    with pytest.raises(AssertionError):
        check_event("/v1/articles/fog/live", "counts", {"comments": "none"})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_stream_ends_with_its_key(lasting: Settings, client: TestClient, admin: Headers, integrator: Headers) -> None:
    with serving(lasting) as address, following(address, "/v1/live?types=section.*", **integrator) as reader:
        make.section(client, admin, "News")
        assert reader.until("section.changed").data["data"]["slug"] == "news"
        key_id = client.get("/v1/whoami", headers=integrator).json()["id"]
        assert client.delete(f"/v1/keys/{key_id}", headers={**admin, "If-Match": "*"}).status_code < 300
        assert list(reader) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_stream_ends_with_its_role(lasting: Settings, client: TestClient, db: Database, admin: Headers) -> None:
    ada = make.person(client, db, "Ada", moderator=None)
    with serving(lasting) as address, following(address, "/v1/live?types=section.*", **ada.headers) as reader:
        make.section(client, admin, "News")
        assert reader.until("section.changed").data["data"]["slug"] == "news"
        roles = [{"role": "moderator", "sections": ["news"]}]
        make.ok(client.put(f"/v1/people/{ada.id}/grants", json=roles, headers=admin))
        assert list(reader) == []

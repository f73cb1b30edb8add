"""Who gets in: scopes, limits, unknown parameters, and waiting for a write to be seen."""

import threading
from collections.abc import Callable, Iterator

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app import wiring
from app.core.settings import Settings
from app.db import Database
from app.events.base import EventBase
from app.events.log import emit
from app.identity import access
from app.identity.access import Access
from app.identity.schemas import SCOPES
from app.main import create_app
from app.web.rate_limits import Limiter
from app.web.routing import Router
from tests.services import replace_services

pytestmark = pytest.mark.portable

Headers = dict[str, str]
MakeKey = Callable[..., Headers]
UNKNOWN = "01890000-0000-7000-8000-000000000000"
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Seen(EventBase, name="test.seen"):
    """A fact of these tests."""

    def cache_groups(self) -> list[str]:
        return []


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic Zm9vOmJhcg==",
        "bs_" + "0" * 72,
        "Bearer bs_" + "0" * 72,
        "Bearer ä",
        "x" * 5000,
    ],
)
def test_a_bad_key_is_a_401_even_where_none_is_needed(client: TestClient, sent: str) -> None:
    answer = client.get("/v1/whoami", headers={"Authorization": sent.encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="broadsheet"'
    assert sent not in answer.text


def test_no_key_is_a_401_where_one_is_needed(client: TestClient) -> None:
    answer = client.get(f"/v1/keys/{UNKNOWN}")  # before anything is said of what is there
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="broadsheet"')


def test_a_key_without_the_scope_is_a_403(client: TestClient, make_key: MakeKey) -> None:
    every_other = [scope for scope in SCOPES if scope not in ("admin", "public:read")]
    for path in ("/v1/keys", f"/v1/keys/{UNKNOWN}", "/v1/audit"):
        answer = client.get(path, headers=make_key(*every_other))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "admin" in answer.json()["detail"]
        assert "www-authenticate" not in answer.headers


def test_what_is_not_there_is_a_404(client: TestClient, admin: Headers) -> None:
    bodies = set()
    for name in (UNKNOWN, "no-id", "%00"):
        answer = client.get(f"/v1/keys/{name}", headers={**admin, "X-Request-ID": "same"})
        assert answer.status_code == 404
        bodies.add(answer.content)
    assert len(bodies) == 1


@only_sqlite
def test_the_scheme_has_no_case(client: TestClient, admin: Headers) -> None:
    key = admin["Authorization"].split()[1]
    for spelled in ("bearer", "BEARER", "Bearer"):
        assert client.get("/v1/whoami", headers={"Authorization": f"{spelled} {key}"}).json()["kind"] == "key"


BAD_QUERIES = [
    ("limt=3", "limt"),
    ("limit=3&x=", "x"),
    ("flag", "flag"),
    ("%3Cscript%3E=1", "(not shown)"),
    ("x%00y=1", "(not shown)"),
    ("LIMIT=3", "LIMIT"),
    (f"{'x' * 65}=1", "(not shown)"),
    ("action=a%00canary", "action"),
    ("limit=0", "limit"),
    ("limit=101", "limit"),
    ("limit=canary", "limit"),
    ("limit=9223372036854775808", "limit"),
    ("count=canary", "count"),
    ("cursor=canary", "cursor"),
    ("fields=id,canary.x", "fields"),
    ("subject=canary", "subject"),
    ("min_position=canary", "min_position"),
    ("min_position=1.99999999999999999999", "min_position"),
]


def test_a_parameter_that_is_unknown_or_wrong_is_named(client: TestClient, admin: Headers) -> None:
    for query, named in BAD_QUERIES:
        answer = client.get(f"/v1/audit?{query}", headers=admin)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter"), query
        assert [place["parameter"] for place in answer.json()["errors"]] == [named]
        assert "script" not in answer.text
        assert "canary" not in answer.text.replace("there is no field canary.x", "")


def test_writes_know_no_parameters_of_reads(client: TestClient, admin: Headers) -> None:
    assert client.delete(f"/v1/keys/{UNKNOWN}?min_position=0.0", headers=admin).status_code == 400
    assert client.get("/healthz?x=1").status_code == 200  # outside the API nobody is refused for a parameter


def test_what_is_visible_is_not_waited_for(client: TestClient, db: Database) -> None:
    with db.transaction() as session:
        position = emit(session, Seen(subject_id=UNKNOWN))
    assert client.get(f"/v1/whoami?min_position={position}").status_code == 200
    assert client.get("/v1/whoami?min_position=0.0").status_code == 200


def test_a_write_is_waited_for(client: TestClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    written = threading.Event()
    looked: list[bool] = []
    has_reached = access.has_reached

    def look(connection, position):  # type: ignore[no-untyped-def]
        if looked and not written.is_set():
            with db.transaction() as session:
                emit(session, Seen(subject_id=UNKNOWN))
            written.set()
        looked.append(has_reached(connection, position))
        return looked[-1]

    with db.transaction() as session:
        xid, seq = emit(session, Seen(subject_id=UNKNOWN))
    monkeypatch.setattr(access, "has_reached", look)
    assert client.get(f"/v1/whoami?min_position={xid}.{seq + 1}").status_code == 200
    assert looked == [False, True]


def test_what_never_becomes_visible_is_a_503(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(pause: float) -> None:
        pauses.append(pause)

    monkeypatch.setattr(access.asyncio, "sleep", sleep)
    answer = client.get("/v1/whoami?min_position=1.99")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert sum(pauses) == pytest.approx(2.0)


@pytest.fixture
def limited(settings: Settings) -> Iterator[TestClient]:
    app = create_app(settings, with_worker=False)
    replace_services(app, limiter=Limiter("read=2/minute,key=3/minute,invalid=1/minute"))
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


@only_sqlite
def test_callers_are_limited_each_by_their_kind(limited: TestClient, make_key: MakeKey) -> None:
    first, second, wrong = make_key("content:read"), make_key("content:read"), {"Authorization": "Bearer x"}
    assert [limited.get("/v1/whoami").status_code for _ in range(3)] == [200, 200, 429]
    assert [limited.get("/v1/whoami", headers=first).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert limited.get("/v1/whoami", headers=second).headers["ratelimit"].startswith('"key";r=2')
    assert [limited.get("/v1/whoami", headers=wrong).status_code for _ in range(2)] == [401, 429]
    refused = limited.get("/v1/whoami")
    assert (refused.json()["code"], refused.headers["ratelimit-policy"]) == ("rate_limited", '"read";q=2;w=60')
    assert 0 < int(refused.headers["retry-after"]) <= 60


@only_sqlite
def test_limits_are_told_with_every_answer(limited: TestClient, admin: Headers) -> None:
    for path, status in (("/v1/keys", 200), (f"/v1/keys/{UNKNOWN}", 404), ("/v1/keys?x=1", 400)):
        answer = limited.get(path, headers=admin)
        assert answer.status_code == status
        assert {"ratelimit", "ratelimit-policy"} <= set(answer.headers)


@only_sqlite
def test_probes_are_never_limited(limited: TestClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert {limited.get(path).status_code for _ in range(5)} == {200}


@only_sqlite
def test_every_route_declares_who_may_call_it(client: TestClient) -> None:
    app = create_app(Settings(_env_file=None, data_dir=client.app.state.services.settings.data_dir), with_worker=False)  # type: ignore[attr-defined]
    found = [route for route in app.routes if isinstance(route, APIRoute)]
    assert len(found) == len(app.routes) > 20
    for route in found:
        assert any(isinstance(inner.call, Access) for inner in route.dependant.dependencies)


@only_sqlite
def test_a_route_without_a_scope_does_not_start(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    router = Router()
    router.add_api_route("/open", lambda: None)
    monkeypatch.setattr(wiring, "ROUTERS", [router])
    with pytest.raises(RuntimeError, match="/open declares no scope"):
        create_app(settings, with_worker=False)

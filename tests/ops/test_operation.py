"""Health, readiness, metrics, the API's own description, and the problems that answers name."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from app.core.problems import Problem
from app.core.settings import Settings
from app.db import Database
from app.db.migrations import list_revisions
from app.deliveries.outbox import enqueue
from app.deliveries.schemas import NewDelivery
from app.main import create_app
from app.ops.gauges import StoreMetrics
from tests import make
from tests.document import operations
from tests.processes import ROOT

pytestmark = pytest.mark.portable

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_server_that_is_well_says_so(client: TestClient) -> None:
    for path in ("/healthz", "/readyz"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(("address", "times"), [("/openapi.json", 4), ("/docs/scalar.js", 3)])
@only_sqlite
def test_the_document_is_compressed_and_known_again(client: TestClient, address: str, times: int) -> None:
    plain = client.get(address, headers={"Accept-Encoding": "identity"})
    for coding in ("br", "gzip"):
        answer = client.get(address, headers={"Accept-Encoding": coding})
        assert (answer.content, answer.headers["content-encoding"]) == (plain.content, coding)
        assert int(answer.headers["content-length"]) < len(plain.content) / times
        headers = {"Accept-Encoding": coding, "If-None-Match": answer.headers["etag"]}
        assert client.get(address, headers=headers).status_code == 304


@only_sqlite
def test_there_is_a_door(client: TestClient) -> None:
    door = make.ok(client.get("/"))
    assert door == make.ok(client.get("/v1")) == make.ok(client.get("/v1/"))
    assert (door["name"], door["software"]) == ("The Example", "Broadsheet")
    for address in door["links"].values():
        assert client.get(address.format(q="x")).status_code == 200, address
    told = make.ok(client.get("/problems"))
    assert {row["code"] for row in told["data"]} == set(Problem.registry)
    robots = client.get("/robots.txt")
    assert robots.headers["content-type"] == "text/plain; charset=utf-8"
    assert "Sitemap: https://site.example/sitemap.xml\n" in robots.text


def test_a_store_that_is_away_is_told_by_readiness_alone(client: TestClient, db: Database) -> None:
    async def lost(*_: object) -> None:
        raise sa.exc.OperationalError("SELECT", None, ConnectionError())

    client.app.state.services.database.read = lost  # type: ignore[attr-defined]
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
    assert client.get("/healthz").status_code == 200


def test_a_store_without_tables_is_not_ready(client: TestClient, db: Database) -> None:
    with db.transaction() as session:
        session.execute(sa.text("ALTER TABLE event RENAME TO gone"))
    try:
        answer = client.get("/readyz")
    finally:
        with db.transaction() as session:
            session.execute(sa.text("ALTER TABLE gone RENAME TO event"))
    assert (answer.status_code, answer.json()["detail"]) == (503, "The database is not migrated.")
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(("revision", "status"), [(list_revisions()[1], 503), ("9999", 200)])
def test_a_store_behind_this_release_is_not_ready(client: TestClient, db: Database, revision: str, status: int) -> None:
    with db.transaction() as session:
        before = session.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        session.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    try:
        answer = client.get("/readyz")
    finally:
        with db.transaction() as session:
            session.execute(sa.text("UPDATE alembic_version SET version_num = :before"), {"before": before})
    assert answer.status_code == status
    assert status == 200 or answer.json()["detail"] == "The database is behind this release."


@only_sqlite
def test_a_server_that_shuts_down_is_not_ready(client: TestClient) -> None:
    client.app.state.services.admission.is_draining = True  # type: ignore[attr-defined]
    assert client.get("/readyz").json()["detail"] == "The server is shutting down."


def test_a_postgresql_that_is_not_there_is_not_ready(tmp_path: Path) -> None:
    away = Settings(_env_file=None, data_dir=tmp_path, database_url="postgresql://127.0.0.1:1/none")
    with TestClient(create_app(away, with_worker=False)) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").json()["detail"] == "The database cannot be reached."
        assert client.get("/v1/audit").status_code == 401


@only_sqlite
def test_a_worker_that_is_late_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client.app.state.services.worker, "is_late", lambda clock: clock <= time.monotonic())  # type: ignore[attr-defined]
    assert client.get("/readyz").json()["detail"] == "The worker is behind."


@only_sqlite
def test_metrics_of_the_store_are_read_once_for_all_who_ask(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[object] = []

    async def story() -> None:
        scan, metrics = db.scan, StoreMetrics(db, [])

        def count(*arguments: Any) -> Any:
            scans.append(arguments)
            return scan(*arguments)

        monkeypatch.setattr(db, "scan", count)
        texts = await asyncio.gather(*(metrics.render() for _ in range(9)))
        assert (len(set(texts)), len(scans)) == (1, 1)
        await metrics.render()
        assert len(scans) == 2

    asyncio.run(story())


@only_sqlite
def test_metrics_are_in_the_format_of_prometheus(client: TestClient) -> None:
    client.get("/healthz")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    sample = families["broadsheet_requests"].samples[0]
    assert (sample.labels, sample.value) == ({"method": "GET", "route": "/healthz", "status": "200"}, 1.0)
    assert "broadsheet_request_seconds" in families


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    settings = Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"))
    with TestClient(create_app(settings, with_worker=False)) as client:
        yield client.get("/openapi.json").json()


def test_the_description_is_whole(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "Broadsheet"
    references = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert "ProblemOut" in references
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) > 20


def test_every_operation_says_what_it_takes_and_gives(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        told = f"{method} {path}"
        assert operation["description"], told
        names = [(one["in"], one["name"]) for one in operation["parameters"]]
        assert len(names) == len(set(names)), told
        assert {name for place, name in names if place == "path"} == set(re.findall(r"{(\w+)", path)), told
        assert (("header", "Idempotency-Key") in names) == (method == "POST"), told
        assert (("query", "min_position") in names) == (method == "GET" and path.startswith("/v1")), told
        assert any(status.startswith(("2", "3")) for status in operation["responses"]), told
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], told
        if "requestBody" in operation:
            assert operation["requestBody"]["content"], told
        if method == "POST":
            assert {"409", "422"} <= set(operation["responses"]), told


def test_only_the_public_needs_no_key(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if method != "GET" and f"{method} {path}" not in make.ANYONE:
            assert operation["security"] == [{"ApiKey": []}], f"{method} {path}"
    assert document["components"]["securitySchemes"]["ApiKey"]["scheme"] == "bearer"


class Page(HTMLParser):
    """What a page would load or point to."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]


@only_sqlite
def test_the_page_loads_nothing_from_other_hosts(client: TestClient) -> None:
    answer = client.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == ("'none'", "'self'", "'self'")
    assert not [
        source for sources in policy.values() for source in sources.split() if ":" in source and source != "data:"
    ]
    page = Page()
    page.feed(answer.text)
    addresses = [address for address in page.addresses if address != "data:,"]
    assert addresses == ["/openapi.json", "/docs/scalar.js", "/docs/start.js"]
    for address in addresses:
        assert client.get(address).status_code == 200, address
    assert client.get("/docs/scalar.css").status_code == 404


@only_sqlite
def test_the_page_calls_no_service_of_its_makers(client: TestClient) -> None:
    start = client.get("/docs/start.js").text
    for choice in (
        "telemetry: false",
        "withDefaultFonts: false",
        "agent: { disabled: true }",
        "mcp: { disabled: true }",
    ):
        assert choice in start
    assert "createApiReference" in client.get("/docs/scalar.js").text


@only_sqlite
def test_every_problem_is_explained_where_its_type_points(client: TestClient) -> None:
    assert len(Problem.registry) > 20
    for code, kind in Problem.registry.items():
        answer = client.get(f"/problems/{code}")
        assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (200, code, kind.status)
        assert answer.json()["description"]
        assert answer.headers["etag"]
    missing = client.get("/problems/none")
    assert client.get(missing.json()["type"]).json()["code"] == "not_found"


def test_metrics_tell_how_the_log_and_deliveries_stand(
    client: TestClient, db: Database, editor: dict[str, str]
) -> None:
    make.section(client, editor, "News")
    with db.transaction() as session:
        enqueue(session, NewDelivery(channel="webhook", endpoint="hook", event="1", what="x", content={}))
        session.execute(sa.text("UPDATE delivery SET due_at = '2020-01-01 00:00:00+00:00'"))
    client.app.state.services.courier.done["webhook", "delivered"] += 2  # type: ignore[attr-defined]
    families = {family.name: family for family in text_string_to_metric_families(client.get("/metrics").text)}

    def value(name: str, **labels: str) -> float:
        samples = [sample for sample in families[name].samples if not sample.name.endswith("_created")]
        (found,) = [sample.value for sample in samples if sample.labels == labels]
        return found

    assert value("broadsheet_store_up") == 1
    assert value("broadsheet_log_behind", reader="webhooks") == 1
    assert 0 <= value("broadsheet_log_age_seconds", reader="webhooks") < 60
    assert value("broadsheet_deliveries", channel="webhook", state="waiting") == 1
    assert value("broadsheet_delivery_due_seconds", channel="webhook") > 86_400
    assert value("broadsheet_attempts", channel="webhook", result="delivered") == 2
    assert value("broadsheet_cached_entries", cache="keys") > 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_dashboard_and_alerts_ask_for_metrics_that_exist(client: TestClient) -> None:
    text = client.get("/metrics").text
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE broadsheet_")}
    for path in ("examples/grafana.json", "docs/how-to/observe.md"):
        asked = set(re.findall(r"broadsheet_\w+", (ROOT / path).read_text("utf-8")))
        assert asked
        assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} - families == set(), path
    dashboard = json.loads((ROOT / "examples/grafana.json").read_text("utf-8"))
    shown = json.dumps([panel["targets"] for panel in dashboard["panels"]])
    assert {name for name in families if not name.endswith("_created") and name not in shown} <= {"broadsheet_kept_now"}

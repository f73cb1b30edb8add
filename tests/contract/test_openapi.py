"""The OpenAPI document and the API say the same: what is documented holds, and nothing else is answered."""

import re

import jsonschema_rs
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from app.core.clock import now
from app.core.problems import Problem
from app.core.settings import Settings
from app.identity.access import Access
from app.identity.schemas import SCOPES
from app.main import create_app
from tests import make
from tests.contract.day import Checked, Headers, live, staff, subscribe
from tests.document import operation_at, operations, with_schemas

pytestmark = pytest.mark.portable

LATER = (
    "webhook",
    "delivery",
    "comment",
    "report",
    "ban",
    "phrase",
    "front",
    "redirect",
    "release",
    "item",
    "subscription",
    "subscriber",
    "suppression",
    "token",
)
QUERIES = {
    "/v1/resolve": "?path=/our-sections/b",
    "/oembed": "?url=https://site.example/our-sections/b",
    "/v1/search": "?q=b",
    "/v1/moderation/transparency": "?from=2026-01-01&until=2026-02-01",
}
OPEN = {"GET"}  # what may be done without a key


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    """The app, not started: enough for its document."""
    return create_app(Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data")), with_worker=False)


def test_every_operation_says_what_it_does(api: FastAPI) -> None:
    document = api.openapi()
    ids = []
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["description"].strip().endswith("."), where
        assert operation["tags"], where
        ids.append(operation["operationId"])
        for parameter in operation["parameters"]:
            if parameter["in"] != "path":
                assert parameter.get("description") or parameter["schema"].get("description"), (where, parameter)
    assert len(ids) == len(set(ids))
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description"), name


def test_every_route_is_in_the_document(api: FastAPI) -> None:
    known = {(method, path) for method, path, _ in operations(api.openapi())}
    for route in api.router.routes:
        assert isinstance(route, APIRoute)
        path = re.sub(r":\w+}", "}", route.path)
        assert {(method, path) for method in route.methods or ()} <= known


def test_what_needs_a_key_says_so(api: FastAPI) -> None:
    scopes = set()
    for route in api.router.routes:
        assert isinstance(route, APIRoute)
        (access,) = [inner.call for inner in route.dependant.dependencies if isinstance(inner.call, Access)]
        for method in route.methods or ():
            operation = operation_at(api.openapi(), method, re.sub(r":\w+}", "}", route.path))
            answers = set(operation["responses"])
            if access.scope is None:
                open_to_all = method in OPEN or f"{method} {route.path}" in make.ANYONE
                assert open_to_all, f"{method} {route.path} changes something and asks for no key"
                assert {} in operation["security"], f"{method} {route.path}: a key is possible and not needed"
                continue
            scopes.add(access.scope)
            assert operation["security"] == [{"ApiKey": []}], f"{method} {route.path}"
            assert {"401", "403"} <= answers, f"{method} {route.path}"
            if method in {"PUT", "PATCH", "DELETE"} and "If-Match" in str(operation["parameters"]).title():
                assert {"412", "428"} <= answers, f"{method} {route.path}"
    assert scopes <= set(SCOPES)


def test_problems_are_documented_as_problems(api: FastAPI) -> None:
    for method, path, operation in operations(api.openapi()):
        where = f"{method} {path}"
        answers = operation["responses"]
        assert {"400", "429", "503"} <= set(answers), where
        if "{" in path or any(parameter["name"] == "release" for parameter in operation["parameters"]):
            assert "404" in answers, where
        for status, answer in answers.items():
            if int(status) < 400:
                continue
            assert answer["content"]["application/problem+json"]["schema"] == {
                "$ref": "#/components/schemas/ProblemOut"
            }
            named = re.findall(r"`([a-z_]+)`: ", answer["description"])
            assert named, f"{where} {status} names no code"
            assert {Problem.registry[code].status for code in named} == {int(status)}, where


def test_every_problem_has_a_page(client: TestClient) -> None:
    for code, kind in Problem.registry.items():
        page = make.ok(client.get(f"/problems/{code}"))
        assert (page["code"], page["status"], page["title"]) == (code, kind.status, kind.title)
        assert page["description"]
    assert client.get("/problems/none").status_code == 404


def test_examples_and_patterns_are_valid(api: FastAPI) -> None:
    schemas = api.openapi()["components"]["schemas"]
    for schema in schemas.values():
        jsonschema_rs.validator_for(with_schemas(schema, schemas))


# Answers of a whole day against the document


@pytest.mark.parametrize(
    "database_url", ["sqlite"], indirect=True
)  # the answers are one; what differs is tested in rooms
def test_a_day_of_answers_is_as_documented(client: TestClient, admin: Headers) -> None:
    api = Checked(client)
    ids = live(api, admin)
    ids |= subscribe(api, client, admin, ids["article"])
    article = ids["article"]
    names = {
        **staff(api, admin),
        "provider": "none",
        "session": article,
        "passkey": article,
        "identity": article,
        "n": "1",
        "key_id": ids["key"],
        "preview_id": ids["preview"],
        "notice": ids["notices"],
        "code": "not_found",
        "form": "json",
        "suffix": "jsonld",
        "script": "start.js",
        "month": f"{now():%Y-%m}",
        "part": f"{now():%Y-%m}",
    }
    names |= {"section": ids["sections"], "tag": "one", "author": ids["authors"], "series": ids["series"]}
    names |= {
        "media": article,
        "key": "aa/x.jpg",
        "upload": article,
        "size": "1x1",
        "ending": "webp",
        "article": article,
        **{kind: ids[kind] for kind in ("anchor", "note", "task", "participant", "action", "reason")},
    }
    names |= {kind: ids[kind] for kind in (*LATER, "merge")}
    for method, path, operation in api.operations:
        missing = path.format_map(dict.fromkeys(names, "0199aaaa-0000-7000-8000-000000000000") | {"n": "9"})
        here = path.format_map(names)
        if method == "GET":
            query = QUERIES.get(path, "")
            answer = api.send("GET", here + query, headers=admin)
            api.send("GET", here + query, headers={"Authorization": "Bearer no"})
            api.send("GET", here + query)
            api.send("GET", missing + query, headers=admin)
            api.send("GET", f"{here}?unheard=1")
            if tag := answer.headers.get("etag"):
                api.send("GET", here + query, headers={**admin, "If-None-Match": tag})
            continue
        for headers in ({}, admin, {**admin, "If-Match": '"v99-x"'}, {**admin, "If-Match": "*"}):
            for body in ({}, {"unheard": 1}, None, []):
                api.send(method, missing, json=body, headers=headers)
        if "412" in operation["responses"]:
            api.send(method, here, json={}, headers=admin)
            api.send(method, here, json={}, headers={**admin, "If-Match": '"v99-x"'})
    for url in (
        "/v1/articles/a?fields=title",
        f"/v1/articles/{ids['gone']}",
        f"/v1/articles/{ids['court']}",
        f"/v1/articles/{article}?include=neighbours,related,comments&formats=html,text,markdown,blocks",
        "/v1/articles?formats=html,blocks&count=exact&limit=1",
        "/v1/resolve?path=/gone",
        "/v1/resolve?path=/court",
        "/v1/resolve?path=/elsewhere/b",
        "/v1/sections?sort=-articles&count=exact",
        f"/v1/articles/{ids['gone']}.ninjs",
        f"/feeds/articles/{ids['court']}/comments.rss",
        f"/v1/articles/{article}.md",
        "/feeds/site.rss",
        "/oembed?url=https://site.example/our-sections/b&format=xml",
        "/oembed?url=https://site.example/gone",
        "/oembed?url=https://site.example/court",
    ):
        api.send("GET", url)
    assert not api.faults, "\n".join(sorted(api.faults))
    statuses: dict[tuple[str, str], set[str]] = {operation[:2]: set() for operation in api.operations}
    for method, path, status in api.seen:
        statuses[method, path].add(status)
    assert not [operation for operation, found in statuses.items() if not found], "every operation was asked"
    quiet = [f"{m} {p}" for (m, p), found in statuses.items() if not any(s.startswith("2") for s in found)]
    assert set(quiet) <= {
        "GET /v1/media/{media}",
        "GET /v1/media/{media}/uses",
        "GET /v1/media/{media}/original",
        "GET /v1/media/{media}/rendition",
        "POST /v1/media/uploads",
        "PUT /v1/media/uploads/{upload}/file",
        "POST /v1/media/uploads/{upload}/finish",
        "GET /media/{key}",
        "GET /media/{media}/{size}.{ending}",
        "POST /v1/media",
        "POST /v1/media/references",
        "PATCH /v1/media/{media}",
        "DELETE /v1/media/{media}",
        "POST /v1/redirects/import",
        "POST /v1/people/{person}/identities",
        "POST /v1/people/{person}/passkeys",
        "POST /v1/people/{person}/passkeys/options",
        "POST /v1/people/{person}/totp",
        "PUT /v1/people/{person}/password",
        "PUT /v1/people/{person}/totp",
    } | {operation for operation in quiet if operation.startswith("DELETE /v1/") or "/v1/sign-" in operation}, (
        "files and sign-in have tests of their own"
    )


def test_an_address_takes_the_methods_of_its_path_alone(client: TestClient, editor: Headers) -> None:
    methods: dict[str, set[str]] = {}
    for method, path, _ in operations(make.ok(client.get("/openapi.json"))):
        methods.setdefault(path, set()).add(method)
    for path, taken in methods.items():
        address = re.sub(r"{suffix}", "jsonld", re.sub(r"{(?!suffix)\w+}", "x", path))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            if method in taken:
                continue
            answer = client.request(method, address, headers=editor)
            assert answer.status_code == 405, f"{method} {path}"
            allowed = set(answer.headers["allow"].split(", "))
            assert allowed == taken | ({"HEAD"} if "GET" in taken else set()), f"{method} {path}"


def test_no_article_hides_behind_another_path(client: TestClient, editor: Headers) -> None:
    body = {"title": "Bulk"}
    assert make.ok(client.post("/v1/articles", json=body, headers=editor), 201)["slug"] == "bulk-2"
    answer = client.post("/v1/articles", json={**body, "slug": "bulk"}, headers=editor)
    assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")


def test_a_precondition_is_required_where_the_server_requires_it(client: TestClient, admin: Headers) -> None:
    document = make.ok(client.get("/openapi.json"))
    some_id = "0199aaaa-0000-7000-8000-000000000000"
    for method, path, operation in operations(document):
        header = next((each for each in operation["parameters"] if each["name"] == "If-Match"), None)
        address = re.sub(r"{n}", "1", re.sub(r"{(?!n})\w+}", some_id, path))
        answer = client.request(method, address, headers=admin) if method != "GET" else None
        required = header is not None and header.get("required", False)
        if path != "/v1/fronts/{front}" or method != "PUT":  # there If-None-Match will do as well
            assert (answer is not None and answer.status_code == 428) == required, f"{method} {path}"
        for wrong in ("x", '"v1', "* , *", 'x "v1-a"', '"v1-a" "v1-b"') if header else ():
            assert re.search(header["schema"]["pattern"], wrong) is None
            answer = client.request(method, address, headers={**admin, "If-Match": wrong})
            assert answer.status_code == 400, f"{method} {path} {wrong}"
            assert answer.json()["errors"][0]["parameter"] == "If-Match"


@pytest.mark.parametrize("key", ["", "k" * 256, "ü"])
def test_an_idempotency_key_that_can_be_none_is_refused_everywhere(
    client: TestClient, admin: Headers, key: str
) -> None:
    for method, path, operation in operations(make.ok(client.get("/openapi.json"))):
        if method == "POST":
            (header,) = [each for each in operation["parameters"] if each["name"] == "Idempotency-Key"]
            schema = {"type": "string", **header["schema"]}
            assert not jsonschema_rs.is_valid(schema, key)
            answer = client.post(path, headers={**admin, "Idempotency-Key": key.encode("latin-1")})
            assert answer.status_code == 400, path


def test_generators_can_read_the_schemas(api: FastAPI) -> None:
    document = api.openapi()
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        assert "title" not in schema, "two schemas of one title would become one class"
        assert name.isalnum(), name

    def look(schema: object, where: str) -> None:
        if isinstance(schema, list):
            for at, part in enumerate(schema):
                look(part, f"{where}/{at}")
        if not isinstance(schema, dict):
            return
        if "default" in schema and schema["default"] is not None:
            rules = {name: value for name, value in schema.items() if name != "default"}
            validator = jsonschema_rs.validator_for(with_schemas(rules, schemas))
            assert validator.is_valid(schema["default"]), f"{where}: the default is not allowed"
        for name, part in schema.items():
            in_names = where.rpartition("/")[2] == "properties"
            assert in_names or name not in {"ge", "le", "gt", "lt"}, where
            look(part, f"{where}/{name}")

    for name, schema in schemas.items():
        for field, part in schema.get("properties", {}).items():
            assert part.get("type") not in ("null", ["null"]), f"{name}.{field} is nothing but null"
    look(document["paths"], "#/paths")
    look(schemas, "#/components/schemas")


RULES = [
    ("BodyIn", {"html": "a"}, {"html": "a", "markdown": "b"}),
    ("BodyIn", {"html": None, "markdown": "b"}, {"html": None}),
    ("NoticeIn", {"scope": "site", "placement": "both", "text": "a"}, {"scope": "site", "placement": "both"}),
    (
        "NoticeIn",
        {"scope": "section", "target_id": "a", "placement": "both", "html": "a"},
        {"scope": "section", "placement": "both", "html": "a"},
    ),
    (
        "NoticeIn",
        {"scope": "site", "target_id": None, "placement": "both", "html": "a"},
        {"scope": "site", "target_id": "a", "placement": "both", "html": "a"},
    ),
    ("AuthorIn", {"name": "A", "bio_text": "b"}, {"name": "A", "bio_html": "b", "bio_text": "b"}),
    ("BanIn", {"kind": "email", "value": "a@b.example"}, {"kind": "email", "value": "b.example"}),
    ("BanIn", {"kind": "email_domain", "value": "b.example"}, {"kind": "identity", "value": "b.example"}),
    ("BanIn", {"kind": "email_domain", "value": "b.example"}, {"kind": "email_domain"}),
    ("KeyIn", {"name": "A", "scopes": ["admin"]}, {"name": "A", "scopes": ["admin"], "sections": ["a"]}),
    ("AnchorIn", {"exact": "a", "start": 0, "end": 1}, {"exact": "a", "start": 0}),
    ("TargetIn", {"type": "tag", "slug": "a"}, {"type": "comment", "slug": "a"}),
    ("BlockIn", {"kind": "newest", "tag": "a"}, {"kind": "newest", "tag": "a", "author": "a"}),
    ("MenuItemIn", {"tag": "a", "author": None}, {"tag": "a", "url": "/b"}),
    ("MenuItemIn", {"url": "/b", "title": "B"}, {"title": "B"}),
    ("BlockIn", {"kind": "reacted", "days": 7}, {"kind": "newest", "days": 7}),
    ("BlockIn", {"kind": "pinned", "articles": ["a"]}, {"kind": "pinned", "articles": ["a"], "limit": 3}),
    ("BlockIn", {"kind": "newest"}, {"kind": "pinned"}),
    ("SectionIn", {"name": "A\tb", "position": 1.0}, {"name": "A\x0bb"}),
    (
        "NoticeIn",
        {"scope": "site", "placement": "both", "text": "a"},
        {"scope": "site", "placement": "both", "html": ""},
    ),
    ("TagIn", {"name": "\u200bA"}, {"name": "\u200b \u00a0"}),
    ("TagIn", {"name": "A", "description": ""}, {"name": "A", "description": "\x85"}),
]


@pytest.mark.parametrize(("name", "good", "bad"), RULES)
def test_rules_of_bodies_are_in_the_document(api: FastAPI, name: str, good: object, bad: object) -> None:
    schemas = api.openapi()["components"]["schemas"]
    validator = jsonschema_rs.validator_for(with_schemas(schemas[name], schemas))
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


WRITES = {
    "NoticeIn": "/v1/notices",
    "AuthorIn": "/v1/authors",
    "BanIn": "/v1/bans",
    "KeyIn": "/v1/keys",
    "SectionIn": "/v1/sections",
    "TagIn": "/v1/tags",
}


@pytest.mark.parametrize(("name", "bad"), [(name, bad) for name, _, bad in RULES if name in WRITES])
def test_what_the_document_forbids_is_refused(client: TestClient, admin: Headers, name: str, bad: object) -> None:
    assert client.post(WRITES[name], json=bad, headers=admin).status_code == 422

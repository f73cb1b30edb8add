"""Parameters that hold lists, cursors and positions: the OpenAPI document forbids what the server refuses."""

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make
from tests.contract.day import Headers
from tests.document import operation_at

pytestmark = pytest.mark.portable

ID = "0199aaaa-0000-7000-8000-000000000000"
VALUES: list[tuple[str, str, list[str], list[str]]] = [
    ("/v1/articles", "state", ["any", "draft", "draft, retracted"], ["", "draft,", "none", "any,draft", "draft;x"]),
    ("/v1/articles", "formats", ["html", "html,blocks", " text , html"], ["", "pdf", "html,", "html text"]),
    ("/v1/articles/a", "include", ["related", "neighbours,comments"], ["", "authors", "related,"]),
    ("/v1/articles", "type", ["article", "article,page", "-page", "-a,-b", " a"], ["", ",", "a,", "-", "a,-b"]),
    ("/v1/articles", "type", ["x" * 200, ",".join("a" * 20)], ["x" * 201, ",".join("a" * 21)]),
    ("/v1/articles", "language", ["de", "de-AT,en", "-de"], ["", "1", "de,", "d", "de,-en", "de_AT"]),
    ("/v1/articles", "ids", ["a", "a,b", f"{ID}, b"], ["", ",", "a,,b", "a,", " ", ",".join("a" * 101)]),
    ("/v1/articles", "exclude", ["a", "a,b"], ["", "a,"]),
    ("/v1/articles", "q", ["a", " a "], ["", " ", "\u3000"]),
    ("/v1/articles", "fields", ["title", "title,authors.name", " title , id"], ["", "title,", "a b", "-id", "a..b"]),
    ("/v1/counts", "articles", ["a", "a,b"], ["", "a,", "x" * 201, ",".join(map(str, range(101)))]),
    ("/v1/changes", "types", ["article", "article, votes"], ["", "articles", "article,"]),
    ("/v1/changes", "fields", ["type,op"], ["", "type op"]),
    ("/v1/changes", "cursor", [], ["0", "a.b", "a.1", "a.1.", "a.1.x", "a.-1.1"]),
    ("/v1/live", "types", [], ["", "article", "article.", "article.*, comment.*", "*"]),
    ("/v1/tags", "cursor", [], ["", "a b", "ü", "a=b", "a==="]),
    ("/v1/subscribers", "target", ["site", f"tag:{ID}"], ["", "tag", "tag:a", f"tag:{'-' * 36}", f"site:{ID}"]),
    ("/v1/tags", "min_position", ["0.0"], ["", "1", "1.", "-1.1", "1.1.1", "x"]),
    ("/v1/whoami", "min_position", ["0.0"], ["", "1", "1.x"]),
    ("/v1/export.ndjson", "formats", ["html,text"], ["", "pdf"]),
]


def pattern_of(document: Any, path: str, name: str) -> re.Pattern[str]:
    """What one value of a parameter must match."""
    templates = (re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)) for template in document["paths"])
    template = next(each for each, form in zip(document["paths"], templates, strict=True) if re.fullmatch(form, path))
    for parameter in document["paths"][template]["get"]["parameters"]:
        found = parameter
        if "$ref" in found:
            found = document["components"]["parameters"][found["$ref"].rpartition("/")[2]]
        if found["name"] == name:
            schema = found["schema"].get("items", found["schema"])
            if "$ref" in schema:
                schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            return re.compile(schema["pattern"])
    raise AssertionError(f"{path} has no parameter {name}")


def test_a_parameter_takes_what_the_document_allows(client: TestClient, admin: Headers) -> None:
    document = make.ok(client.get("/openapi.json"))
    make.ok(client.post("/v1/articles", json={"title": "A"}, headers=admin), 201)
    for path, name, good, bad in VALUES:
        pattern = pattern_of(document, path, name)
        for value in good:
            assert pattern.search(value), (path, name, value)
            answer = client.get(path, params={name: value}, headers=admin)
            assert answer.status_code == 200, (path, name, value, answer.text)
        for value in bad:
            assert not pattern.search(value), (path, name, value)
            answer = client.get(path, params={name: value}, headers=admin)
            assert answer.status_code == 400, (path, name, value)


@pytest.mark.parametrize("name", ["tag", "language"])
def test_a_filter_is_repeated_as_often_as_the_document_allows(client: TestClient, admin: Headers, name: str) -> None:
    make.ok(client.post("/v1/tags", json={"name": "de"}, headers=admin), 201)
    parameters = operation_at(make.ok(client.get("/openapi.json")), "GET", "/v1/articles")["parameters"]
    (most,) = [each["schema"]["maxItems"] for each in parameters if each.get("name") == name]
    for times, status in ((most, 200), (most + 1, 400)):
        assert client.get("/v1/articles", params={name: ["de"] * times}).status_code == status

"""What generators and readers need of the OpenAPI document: names, titles and shared parts."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest

from app.core.settings import Settings
from app.live.schemas import TYPES as LIVE_TYPES
from app.main import create_app
from app.openapi.examples import EXAMPLES
from app.openapi.messages import MESSAGES
from app.webhooks.schemas import TEST_EVENT, EventType
from tests.document import operation_at, operations

VERBS = set(
    "accept add appeal approve begin change check claim compare confirm create decide decline delete detach"
    " dismiss end erase export feature finish follow get import invite lift link list mark merge pin post publish"
    " purge put redact redeliver refresh reject release remove replace replay report request resolve restore"
    " retract return revoke roll rotate schedule search send set sign submit sync take test undo unlink unpublish"
    " unschedule unsubscribe update uphold upload vote withdraw".split()
)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of an app that is not started."""
    data: Path = tmp_path_factory.mktemp("data")
    return create_app(Settings(_env_file=None, data_dir=data), with_worker=False).openapi()


def test_operation_ids_are_verbs_with_nouns(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    for name in ids:
        assert re.fullmatch(r"[a-z]+([A-Z][a-z]*)+", name), name
        assert re.split(r"[A-Z]", name)[0] in VERBS, name
    assert len(ids) == len(set(ids))
    assert {"listArticles", "getArticle", "postComment"} <= set(ids)


def test_every_operation_has_a_short_title(document: dict[str, Any]) -> None:
    titles = [operation["summary"] for _, _, operation in operations(document)]
    for title in titles:
        assert re.fullmatch(r"[A-Z][^.]{3,59}", title), title
    assert len(titles) == len(set(titles))


def test_problems_of_a_kind_of_route_join_those_of_the_route(document: dict[str, Any]) -> None:
    answers = operation_at(document, "PATCH", "/v1/comments/{comment}")["responses"]
    assert {"`forbidden`: ", "`banned`: "} <= set(re.findall(r"`\w+`: ", answers["403"]["description"]))
    assert {"401", "404", "422"} <= set(answers)


def test_every_tag_is_described_and_used(document: dict[str, Any]) -> None:
    described = {tag["name"]: tag["description"] for tag in document["tags"]}
    used = {tag for _, _, operation in operations(document) for tag in operation["tags"]}
    assert used == set(described)
    assert all(text.endswith(".") for text in described.values())


def nodes(part: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object in a part of the document with its place, but for rules of what is refused."""
    if isinstance(part, list):
        for at, item in enumerate(part):
            yield from nodes(item, f"{place}/{at}")
    elif isinstance(part, dict):
        yield place, part
        for name, item in part.items():
            if name != "if":
                yield from nodes(item, f"{place}/{name}")


def test_no_enum_stands_in_two_places(document: dict[str, Any]) -> None:
    enums: dict[tuple[object, ...], list[str]] = {}
    for place, node in [*nodes(document["paths"], "paths"), *nodes(document["components"]["schemas"], "schemas")]:
        if isinstance(node.get("enum"), list):
            enums.setdefault(tuple(node["enum"]), []).append(place)
    assert enums
    assert {values: places for values, places in enums.items() if len(places) > 1} == {}


@pytest.mark.parametrize("section", ["parameters", "responses"])
def test_what_operations_share_stands_once(document: dict[str, Any], section: str) -> None:
    inline: list[str] = []
    for methods in document["paths"].values():
        for operation in methods.values():
            parts = operation[section]
            parts = parts.values() if isinstance(parts, dict) else parts
            inline += [json.dumps(part, sort_keys=True) for part in parts if "$ref" not in part]
    shared = [json.dumps(part, sort_keys=True) for part in document["components"][section].values()]
    assert len(set(inline)) == len(inline)
    assert set(inline).isdisjoint(shared)
    assert len(set(shared)) == len(shared)


def test_every_component_is_used(document: dict[str, Any]) -> None:
    used = {node["$ref"] for _, node in nodes(document) if isinstance(node.get("$ref"), str)}
    for section in ("schemas", "parameters", "responses"):
        assert {
            name for name in document["components"][section] if f"#/components/{section}/{name}" not in used
        } == set()


def test_clients_can_load_it_whole(document: dict[str, Any]) -> None:
    assert len(json.dumps(document, separators=(",", ":"))) <= 2_000 * len(list(operations(document)))


def test_it_says_where_the_api_is(document: dict[str, Any]) -> None:
    assert [server["url"] for server in document["servers"]] == ["/"]
    assert document["info"]["license"]["identifier"] == "Apache-2.0"


def test_an_article_is_one_type_with_typed_comments(document: dict[str, Any]) -> None:
    article = operation_at(document, "GET", "/v1/articles/{article}")["responses"]["200"]["content"]
    assert {kind: content["schema"] for kind, content in article.items()} == {
        "application/json": {"$ref": "#/components/schemas/SingleArticleOut"}
    }
    schema = document["components"]["schemas"]["SingleArticleOut"]
    comments = [node["comments"] for _, node in nodes(schema) if "comments" in node]
    assert comments[0]["anyOf"] == [{"$ref": "#/components/schemas/CommentList"}, {"type": "null"}]


def test_webhooks_are_the_events_that_they_tell(document: dict[str, Any]) -> None:
    assert list(document["webhooks"]) == [*get_args(EventType), TEST_EVENT]
    schemas = document["components"]["schemas"]
    for name, hook in document["webhooks"].items():
        operation = hook["post"]
        assert re.fullmatch(r"on([A-Z][a-z]*)+", operation["operationId"]), name
        assert operation["summary"], name
        assert operation["description"].endswith((".", ";")), name
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        kind = schemas[reference.rpartition("/")[2]]["properties"]["type"]
        assert name in kind.get("enum", [kind.get("const")])


def test_streams_say_what_they_send(document: dict[str, Any]) -> None:
    told = {name for types in MESSAGES.values() for name in types}
    assert told == {*get_args(EventType), *LIVE_TYPES, TEST_EVENT}
    for path in ("/v1/live", "/v1/moderation/live", "/v1/editorial/live", "/v1/articles/{article}/live"):
        content = operation_at(document, "GET", path)["responses"]["200"]["content"]["text/event-stream"]
        name = content["schema"]["contentSchema"]["$ref"].rpartition("/")[2]
        assert document["components"]["schemas"][name]["oneOf"]


def test_examples_are_what_the_schemas_take(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name, example in EXAMPLES.items():
        assert schemas[name]["examples"] == [example]
        jsonschema_rs.validate({"$ref": f"#/components/schemas/{name}", "components": document["components"]}, example)

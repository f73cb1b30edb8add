"""What generators and readers need of the OpenAPI document: names, titles and shared parts."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.kit.settings import Settings
from app.main import create_app
from tests.contract.day import operations

VERBS = set(
    "add appeal approve change check claim compare confirm create decide decline delete detach dismiss end erase export"
    " feature follow get lift list mark merge pin post publish purge put redact redeliver reject release remove"
    " replay report request resolve restore retract revoke rotate schedule search set sync test undo unpublish"
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

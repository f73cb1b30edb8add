"""What an app runs on: nothing may be missing, and every room gets what it declares."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from app import services as all_services
from app.core.settings import Settings
from app.main import create_app
from app.services import Services, build_services
from app.web.services import WebServices

PARTS = [field.name for field in fields(Services)]


def _declared(kind: type[WebServices]) -> Iterator[type[WebServices]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _declared(inner)


def _leave_out(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(**parts: Any) -> Services:
        del parts[part]
        return Services(**parts)

    monkeypatch.setattr(all_services, "Services", lacking)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    _leave_out(part, monkeypatch)
    with pytest.raises(TypeError, match=f"argument: '{part}'"):
        build_services(Settings(_env_file=None, data_dir=tmp_path))


@pytest.mark.parametrize("part", ["index_article", "search_articles"])
def test_an_app_without_search_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    _leave_out(part, monkeypatch)
    with pytest.raises(TypeError, match=f"argument: '{part}'"):
        create_app(Settings(_env_file=None, data_dir=tmp_path), with_worker=False)


def test_every_room_gets_what_it_declares() -> None:
    declared = set(_declared(WebServices)) - {Services}
    assert {kind.__module__ for kind in declared} >= {"app.articles.services", "app.ops.services"}
    assert [kind for kind in declared if not issubclass(Services, kind)] == []


def test_an_app_that_is_only_built_leaves_nothing_behind(tmp_path: Path) -> None:
    build_services(Settings(_env_file=None, data_dir=tmp_path / "data"))
    assert not (tmp_path / "data").exists()

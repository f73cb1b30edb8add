"""What a newcomer gets from `make run`."""

from pathlib import Path
from typing import Any

import pytest

from app.cli import serve as serving
from app.cli.demo import KEY_FILE, demo
from app.core.settings import Settings


@pytest.mark.parametrize("given", ["", "https://api.example"])
def test_it_names_itself_by_the_port_that_it_has(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setenv("BROADSHEET_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", f"sqlite:///{tmp_path}/broadsheet.db")
    monkeypatch.setenv("BROADSHEET_API_URL", given)
    monkeypatch.setattr(serving, "serve", lambda **told: served.append((Settings().api_url, told)))
    monkeypatch.setenv("BROADSHEET_SITE_URL", "")
    monkeypatch.delenv("BROADSHEET_SITE_URL")
    demo(port=8123)
    assert Settings().site_url == "http://localhost:8123"
    assert served == [(given or "http://localhost:8123", {"host": "127.0.0.1", "port": 8123})]
    key, printed = (tmp_path / KEY_FILE).read_text().strip(), capsys.readouterr().out
    assert printed.count("curl 'http://localhost:8123/v1/articles") == 3
    assert key in printed

"""What a newcomer gets from `make run`."""

import re
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from app.cli import desk
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
    monkeypatch.setenv("BROADSHEET_FRONTEND_ORIGINS", "https://site.example")
    monkeypatch.setenv("BROADSHEET_INVITATION_URL", "")
    monkeypatch.delenv("BROADSHEET_INVITATION_URL")
    monkeypatch.setattr(desk, "start_server", lambda *_: True)
    demo(port=8123)
    assert Settings().site_url == "http://localhost:8123"
    assert served == [(given or "http://localhost:8123", {"host": "127.0.0.1", "port": 8123})]
    assert Settings().frontend_origins == ["https://site.example", "http://localhost:8124"]
    assert Settings().invitation_url == "http://localhost:8124/#/invitation/"
    key, printed = (tmp_path / KEY_FILE).read_text().strip(), capsys.readouterr().out
    assert printed.count("curl 'http://localhost:8123/v1/articles") == 3
    assert key in printed
    assert "http://localhost:8124" in printed


def test_the_desk_is_served_on_an_origin_of_its_own_and_calls_only_the_api() -> None:
    server = desk.start_server("127.0.0.1", 0, "http://api.example:81")
    assert server is not None
    address, port = f"http://127.0.0.1:{server.server_port}", server.server_port
    try:
        with urlopen(address, timeout=10) as answer:
            page, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
        assert "connect-src http://api.example:81;" in page
        assert '<meta name="api" content="http://api.example:81" />' in page
        assert "localhost" not in page
        assert policy == "frame-ancestors 'none'"
        for name in re.findall(r'(?:href|src)="([\w/]+\.\w+)"', page):
            assert urlopen(f"{address}/{name}", timeout=10).status == 200
        for other in ("/package.json", "/src/../package.json", "/test/servers.mjs", "/src/%2e%2e/package.json"):
            with pytest.raises(HTTPError, match="404"):
                urlopen(address + other, timeout=10)
        assert desk.start_server("127.0.0.1", port, "") is None, "the port is taken"
    finally:
        server.shutdown()
        server.server_close()
    assert desk.start_server("127.0.0.1", 65536, "") is None

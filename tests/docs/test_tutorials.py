"""Every line of shell in README, the tutorials and the how-tos works on the sample publication, with the answers shown.

An answer is a block of JSON after a block of shell. It shows a part of what the last command printed; `…` is anything.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from app.cli import app as commands
from app.cli.demo import KEY_FILE, editor_key
from app.cli.sample import load_sample
from app.core.settings import Settings
from app.db import open_database
from tests.flows.conftest import serving

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```(?:\n+```json\n(.*?)^```)?", re.S | re.M)
END = "-- end of a block --"
COMMAND = re.compile(r"\.venv/bin/broadsheet ((?:'[^']*'|[^|>)\n'])+)")
HAND_OUT = 'set -- "$PRINTED"/*.out; cat "${1%.out}.err" >&2; cat "$1"; rm "$1"\n'


def pages() -> list[str]:
    """Return the pages with shell lines that readers are to run."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in paths if BLOCK.search(path.read_text("utf-8"))]


def last_json(printed: str) -> Any:
    """Return the last JSON document in what commands printed, which curl puts one after the other without a newline."""
    decoder, place, found = json.JSONDecoder(), 0, None
    while (place := printed.find("{", place)) >= 0:
        try:
            found, place = decoder.raw_decode(printed, place)
        except ValueError:
            place += 1
    return found


def is_part(shown: Any, whole: Any) -> bool:
    """Tell whether a document shows a part of another one."""
    if shown == "…":
        return True
    if isinstance(shown, dict) and isinstance(whole, dict):
        return all(name in whole and is_part(value, whole[name]) for name, value in shown.items())
    if isinstance(shown, list) and isinstance(whole, list):
        return len(shown) <= len(whole) and all(map(is_part, shown, whole))
    return bool(shown == whole)


def prepare_commands(folder: Path, script: str) -> None:
    """Run the commands of a script here, and let `.venv/bin/broadsheet` hand out in turn what they printed."""
    printed = folder / "printed"
    printed.mkdir()
    for number, line in enumerate(COMMAND.findall(script)):
        result = CliRunner().invoke(commands, shlex.split(line))
        assert result.exit_code == 0, (line, result.output)
        (printed / f"{number}.out").write_text(result.stdout)
        (printed / f"{number}.err").write_text(result.stderr)
    stand_in = folder / ".venv/bin/broadsheet"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text("#!/bin/sh\n" + HAND_OUT)
    stand_in.chmod(0o700)


@pytest.fixture(scope="module")
def sample(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, all_settings: Settings) -> Path:
    """A data folder with the sample publication and an editor's key, to copy."""
    data = tmp_path_factory.mktemp("sample")
    shutil.copy(sqlite_template, data / "broadsheet.db")
    db = open_database(f"sqlite:///{data}/broadsheet.db")
    with db.transaction() as session:
        load_sample(session, all_settings.model_copy(update={"data_dir": data}))
        editor_key(session, data / KEY_FILE)
    asyncio.run(db.stop())
    return data


@pytest.fixture
def address(tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch, all_settings: Settings) -> Iterator[str]:
    """A running server with the sample publication in `data` of the test's folder; its address."""
    data = tmp_path / "data"
    shutil.copytree(sample, data)
    database_url = f"sqlite:///{data}/broadsheet.db"
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", database_url)
    monkeypatch.setenv("BROADSHEET_DATA_DIR", str(data))
    changes = {"data_dir": data, "database_url": database_url, "site_url": "http://localhost:8000"}
    with serving(all_settings.model_copy(update=changes)) as running:
        yield running


@pytest.mark.parametrize("page", pages())
def test_its_shell_lines_work(page: str, tmp_path: Path, address: str) -> None:
    assert shutil.which("curl"), "curl is needed to run what the documentation shows"
    blocks = BLOCK.findall((ROOT / page).read_text("utf-8"))
    script = f"\necho '{END}'\n".join(lines for lines, _ in blocks)
    prepare_commands(tmp_path, script)
    host = address.removeprefix("http://")
    (tmp_path / ".curlrc").write_text(f'connect-to = "localhost:8000:{host}"\nfail-with-body\nshow-error\nsilent\n')
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "CURL_HOME": str(tmp_path), "PRINTED": str(tmp_path / "printed")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr}"
    for (lines, answer), printed in zip(blocks, run.stdout.split(END), strict=True):
        if answer:
            assert is_part(json.loads(answer), last_json(printed)), f"{lines}\ndoes not print\n{answer}\nbut\n{printed}"


def test_the_sample_shows_what_there_is(address: str) -> None:
    """Pictures, corrections, passages, replies, an author's answer, menus, and addresses that lead on or are gone."""

    def get(path: str, /, **query: str) -> Any:
        return httpx2.get(f"{address}{path}", params=query)

    def resolve(path: str) -> Any:
        return get("/v1/resolve", path=path).json()

    article = get("/v1/articles/ferry-six-months-early", include="comments,related", formats="html").json()
    assert article["image"]["alt"]
    assert len(article["corrections"]) == 2
    assert article["discussion"]["comments"] == 11
    assert article["discussion"]["inline"] == 2
    assert {related["kind"] for related in article["related"]} == {"pinned", "series"}
    staff = [
        comment
        for comment in get("/v1/articles/ferry-six-months-early/comments", view="all").json()["data"]
        if "author" in comment["author"]["badges"]
    ]
    assert [comment["author"]["name"] for comment in staff] == ["Ines Maribel Costa"]
    log = get("/v1/articles/what-the-lighthouse-writes-down", formats="html").json()
    picture = re.search(r'<img src="(?:http://localhost:8000)?(/media/[^"]+)"[^>]* width="1200"', log["body"]["html"])
    assert picture
    assert get(picture[1]).status_code == 200
    notices = get("/v1/articles/in-praise-of-the-slow-bridge").json()["notices"]
    assert {notice["placement"] for notice in notices} == {"both"}
    assert resolve("/")["kind"] == "front"
    assert resolve("/ferries")["section"]["breadcrumbs"][0]["name"] == "Harbour"
    assert resolve("/harbour/fog-horn-to-be-switched-off")["status"] == 301
    assert resolve("/news/council-counts-gulls")["status"] == 301
    assert resolve("/harbour/sea-monster-off-the-mole")["status"] == 410
    assert [menu["name"] for menu in get("/v1/site").json()["menus"]] == ["main", "footer"]


def test_the_example_works(tmp_path: Path, address: str) -> None:
    key = (tmp_path / "data" / KEY_FILE).read_text().strip()
    command = [sys.executable, str(ROOT / "examples/newsroom.py"), address, key]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "Fog over the harbour http://localhost:8000/" in run.stdout
    assert "In praise of the slow bridge" in run.stdout

"""`python -m tests.stores`: keep a store of this release, filled through its API.

`--code FOLDER` takes the code of another release, which its files are in.
"""

import argparse
import io
import json
import lzma
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image

from tests.make import bearer
from tests.processes import ROOT
from tests.stores import FOLDER

HARBOUR = "Fog lies over the harbour. " * 40


def done(answer: httpx2.Response) -> Any:
    """Return the JSON of an answer of success: their statuses are not the same in all releases."""
    assert answer.is_success, (answer.request.url, answer.text)
    return answer.json() if answer.content else None


def fill(http: httpx2.Client, url: str) -> None:
    """Make something of every kind."""
    section = done(http.post("/v1/sections", json={"name": "City", "slug": "city"}))
    done(http.post("/v1/sections", json={"name": "Harbour", "slug": "harbour"}))
    author = done(http.post("/v1/authors", json={"name": "Ida Ålund", "slug": "ida"}))
    series = done(http.post("/v1/series", json={"name": "The Fog", "slug": "the-fog"}))
    picture = io.BytesIO()
    Image.new("RGB", (400, 300), "navy").save(picture, "PNG")
    done(http.post("/v1/media", files={"file": ("fog.png", picture.getvalue(), "image/png")}, data={"alt": "Fog"}))
    articles = []
    for number in range(12):
        body = {
            "title": f"Fog, part {number}",
            "dek": "What it is like.",
            "section": section["id"],
            "series": series["id"],
            "authors": [author["id"]],
            "tags": ["fog", f"part-{number % 3}"],
            "body": {"markdown": f"## Number {number}\n\n{HARBOUR}\n\n- one\n- two\n"},
        }
        articles.append(done(http.post("/v1/articles", json=body))["id"])
    for article in articles[:9]:
        done(http.post(f"/v1/articles/{article}/publish"))
    done(http.patch(f"/v1/articles/{articles[0]}", json={"slug": "fog-first", "body": {"markdown": HARBOUR + "More."}}))
    done(http.post(f"/v1/articles/{articles[0]}/publish"))
    done(http.post(f"/v1/articles/{articles[1]}/corrections", json={"text": "It was mist."}))
    done(http.post(f"/v1/articles/{articles[2]}/retract", json={"reason": "It never happened."}))
    done(http.patch("/v1/sections/harbour", json={"slug": "port"}))
    done(http.post("/v1/notices", json={"scope": "site", "placement": "before", "html": "<p>New.</p>"}))
    front = {"title": "Home", "blocks": [{"kind": "pinned", "articles": articles[3:6]}]}
    done(http.post("/v1/webhooks", json={"url": "https://hook.example/", "events": ["article.*", "comment.*"]}))
    with httpx2.Client(base_url=url, timeout=60) as reader:
        own = {"Authorization": http.headers["authorization"], "If-None-Match": "*"}
        done(reader.put("/v1/fronts/home", json=front, headers=own))
        for article in articles[3:7]:
            path = f"/v1/articles/{article}"
            said = done(reader.post(f"{path}/comments", json={"text": "I saw it.", "author": {"name": "Ann"}}))
            ann = bearer(said["guest_token"])
            body = {"text": f"So did I, {article}.", "parent_id": said["id"], "author": {"name": "Bo"}}
            reply = done(reader.post(f"{path}/comments", json=body))
            done(reader.put(f"/v1/comments/{reply['id']}/vote", json={"value": 1}, headers=ann))
            done(reader.put(f"{path}/reaction", json={"value": "agree"}, headers=ann))
            done(reader.post(f"/v1/comments/{reply['id']}/reports", json={"reason": "spam"}, headers=ann))
        done(reader.post("/v1/subscriptions", json={"email": "ann@mail.example", "kind": "articles.new"}))


def make_store(code: Path, folder: Path) -> Path:
    """Fill a new store with the code of a release."""
    file = folder / "broadsheet.db"
    environment = {
        **os.environ,
        "PYTHONPATH": str(code),
        "BROADSHEET_DATA_DIR": str(folder),
        "BROADSHEET_LOG_FORMAT": "json",
        "BROADSHEET_RATE_LIMITS": "off",
    }
    command = [sys.executable, "-m", "app"]
    keys = [*command, "keys", "create", "--name", "admin", "--scope", "admin"]
    made = subprocess.run(keys, cwd=code, env=environment, capture_output=True, text=True, check=True)
    server = subprocess.Popen(
        [*command, "serve", "--port", "0"], cwd=code, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert server.stderr is not None
    try:
        url = next(json.loads(line)["url"] for line in server.stderr if '"listening"' in line)
        threading.Thread(target=server.stderr.read, daemon=True).start()  # a full pipe would stop the server
        headers = {**bearer(made.stdout.split()[-1]), "If-Match": "*"}
        with httpx2.Client(base_url=url, headers=headers, timeout=60) as http:
            fill(http, url)
            wait_for_worker(http)
    finally:
        server.terminate()
        server.wait()
    return file


def wait_for_worker(http: httpx2.Client) -> None:
    """Wait until the search finds what was published."""
    found: list[Any] = []
    while len(found) < 8:
        found = done(http.get("/v1/search?q=fog&limit=20"))["data"]


def main() -> None:
    """Make a store and keep it."""
    parser = argparse.ArgumentParser(prog="python -m tests.stores", description=__doc__)
    parser.add_argument("--code", type=Path, default=ROOT, help="folder with the code of a release")
    code = parser.parse_args().code.absolute()
    with tempfile.TemporaryDirectory() as folder:
        file = make_store(code, Path(folder))
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            ((revision,),) = connection.execute("SELECT version_num FROM alembic_version")
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("VACUUM")
        kept = FOLDER / f"{revision}.db.xz"
        kept.write_bytes(lzma.compress(file.read_bytes(), preset=9))
    sys.stdout.write(f"{kept} ({kept.stat().st_size:,} bytes)\n")


if __name__ == "__main__":
    main()

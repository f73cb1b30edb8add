import json
import shutil
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from app.cli import checks
from app.core.clock import now
from app.core.ids import new_id
from app.core.settings import Settings
from app.main import create_app
from tests.importers.wordpress.exports import HARBOUR

Broadsheet = Callable[..., Any]
Sql = Callable[[str, str], list[tuple[Any, ...]]]


def looked(broadsheet: Broadsheet, status: int) -> dict[str, tuple[str, str]]:
    """The findings by name; the command must end with this status."""
    ended = broadsheet("doctor", "--json")
    assert ended.status == status, ended.out
    found = json.loads(ended.out)
    assert found["ok"] is (status == 0)
    return {check["name"]: (check["status"], check["detail"]) for check in found["checks"]}


def test_a_new_installation_is_well(broadsheet: Broadsheet, data: Path) -> None:
    found = looked(broadsheet, 0)
    assert found["database"][0] == "warning"
    assert found["data folder"][0] == "warning"
    assert not (data / "broadsheet.db").exists()


def test_a_migrated_store_is_well(broadsheet: Broadsheet, store: str, data: Path) -> None:
    data.mkdir(exist_ok=True)
    found = looked(broadsheet, 0)
    assert {name: status for name, (status, _) in found.items() if status != "ok"} == {}
    assert set(found) == {*checks.LOCAL, *checks.STORE}
    assert [path for path in data.rglob("*") if "doctor" in path.name] == []
    table = broadsheet("doctor")
    assert (table.status, len(table.out.splitlines())) == (0, 1 + len(found))


@pytest.mark.parametrize("where", ["doctor", "start"])
def test_settings_that_name_what_does_not_exist_are_told(
    broadsheet: Broadsheet,
    store: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    roles = {"a": "photographer", "b": {"role": "desk", "sections": ["sprot"]}, "c": "editor"}
    provider = {"id": "x", "name": "X", "issuer": "https://id.example", "client_id": "x", "roles": roles}
    oidc = json.dumps([{**provider, "redirect_uris": ["https://site.example/back"], "groups_claim": "groups"}])
    second = "REQUIRE_SECOND_FACTOR names the role admn, which does not exist: it requires a second factor of nobody"
    others = [
        "OIDC names the role photographer, which does not exist",
        "OIDC names the section sprot, which does not exist",
    ]
    for required, failed in (("admn,desk", True), ("admin,all", False)):
        monkeypatch.setenv("BROADSHEET_REQUIRE_SECOND_FACTOR", required)
        monkeypatch.setenv("BROADSHEET_OIDC", oidc)
        if where == "doctor":
            status, told = looked(broadsheet, 1 if failed else 0)["names"]
            assert status == ("failed" if failed else "warning")
        else:
            capsys.readouterr()
            with TestClient(create_app(Settings(_env_file=None, database=store), with_worker=False)):
                told = capsys.readouterr().err
        assert (second in told) is failed
        assert [text for text in others if text not in told] == []


def test_what_is_not_migrated_fails_on_postgresql_alone(broadsheet: Broadsheet, postgres_store: str) -> None:
    status, detail = looked(broadsheet, 1)["migrations"]
    assert (status, "broadsheet migrate" in detail) == ("failed", True)


def test_an_unmigrated_sqlite_file_is_worth_a_word(broadsheet: Broadsheet, data: Path) -> None:
    data.mkdir()
    (data / "broadsheet.db").touch()
    found = looked(broadsheet, 0)
    assert found["migrations"][0] == found["worker"][0] == "warning"


def test_an_index_that_lacks_articles_is_told_of(broadsheet: Broadsheet, store: str, sql: Sql) -> None:
    broadsheet("import", "wordpress", HARBOUR)
    assert looked(broadsheet, 0)["search"] == ("ok", "has all public articles")
    sql(store, "DELETE FROM search_entry WHERE key = (SELECT min(key) FROM search_entry)")
    status, detail = looked(broadsheet, 0)["search"]
    assert (status, detail.split("; ")[0]) == ("warning", "1 public articles are missing, 0 others are indexed")


def test_a_database_of_a_newer_release_fails(broadsheet: Broadsheet, store: str, sql: Sql) -> None:
    sql(store, "UPDATE alembic_version SET version_num = 'f'")
    status, detail = looked(broadsheet, 1)["migrations"]
    assert (status, detail.startswith("ahead")) == ("failed", True)


def test_a_database_that_is_away_fails_once(
    broadsheet: Broadsheet, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/paper")
    found = looked(broadsheet, 1)
    assert [name for name, (status, _) in found.items() if status == "failed"] == ["database"]
    assert "Connection refused" in found["database"][1]
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("SITE_URL", "example.org", "BROADSHEET_SITE_URL"),
        ("RATE_LIMITS", "writes=1/minute", "RATE_LIMITS"),
        ("TRUSTED_PROXIES", "the proxy", "the proxy"),
    ],
)
def test_settings_that_cannot_be_used_fail(
    broadsheet: Broadsheet, data: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, word: str
) -> None:
    monkeypatch.setenv(f"BROADSHEET_{name}", value)
    status, detail = looked(broadsheet, 1)["settings"]
    assert (status, word in detail) == ("failed", True)


def test_media_that_cannot_be_written_fail(
    broadsheet: Broadsheet, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BROADSHEET_MEDIA_URL", str(tmp_path / "file"))
    assert looked(broadsheet, 1)["media"][0] == "failed"


def test_a_full_disk_is_told(broadsheet: Broadsheet, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "WARN_FREE_BYTES", 2**80)
    assert looked(broadsheet, 0)["disk"][0] == "warning"
    monkeypatch.setattr(checks, "MIN_FREE_BYTES", 2**80)
    assert looked(broadsheet, 1)["disk"][0] == "failed"


def test_clocks_that_differ_are_told(broadsheet: Broadsheet, store: str, data: Path, monkeypatch: Any) -> None:
    data.mkdir(exist_ok=True)
    monkeypatch.setattr(checks, "now", lambda: now() + timedelta(seconds=30))
    found = looked(broadsheet, 1)
    assert found["clock"][0] == "failed"
    assert found["database clock"][0] == ("ok" if store.startswith("sqlite") else "failed")


def test_facts_that_wait_for_a_worker_are_told(
    broadsheet: Broadsheet, store: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks.wiring, "consumers", lambda _: {"handlers": print})
    values = "'t', '2020-01-01 00:00:00+00:00', '[]', '{}'"
    sql(store, f"INSERT INTO event (xid, type, at, groups, payload) VALUES (0, {values})")
    status, detail = looked(broadsheet, 0)["worker"]
    assert (status, "is a worker running?" in detail) == ("warning", True)
    sql(store, "INSERT INTO log_cursor (reader, xid, seq) VALUES ('handlers', 0, 9)")
    assert looked(broadsheet, 0)["worker"][0] == "ok"


class MailServer(socketserver.StreamRequestHandler):
    """Answers like a mail server without TLS, and remembers what it was told."""

    noop = b"250 ok"

    def handle(self) -> None:
        told: list[str] = self.server.told  # type: ignore[attr-defined]
        self.wfile.write(b"220 mail.example\r\n")
        for line in self.rfile:
            told.append(line.decode().strip())
            verb = told[-1][:4].upper()
            self.wfile.write({"EHLO": b"250 mail.example", "NOOP": self.noop, "QUIT": b"221 bye"}[verb] + b"\r\n")
            if verb == "QUIT":
                return


@pytest.fixture
def mail() -> Iterator[tuple[str, list[str]]]:
    """Host and port of a mail server, and what it is told."""
    with socketserver.TCPServer(("127.0.0.1", 0), MailServer) as server:
        server.told = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", server.told  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def mailing(url: str) -> Settings:
    return Settings(_env_file=None, smtp_url=url)


def test_a_mail_server_that_answers_is_well(mail: tuple[str, list[str]]) -> None:
    place, told = mail
    assert checks.check_mail(mailing(f"smtp://{place}")) == "127.0.0.1 answers, without TLS"
    assert [line.split()[0].upper() for line in told] == ["EHLO", "NOOP", "QUIT"]


def test_a_password_is_never_sent_in_clear(mail: tuple[str, list[str]]) -> None:
    place, told = mail
    with pytest.raises(checks.Failure, match="does not support TLS"):
        checks.check_mail(mailing(f"smtp://me:secret@{place}"))
    assert "secret" not in "".join(told)
    assert not any(line.upper().startswith("AUTH") for line in told)


def test_a_mail_server_that_refuses_fails(mail: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MailServer, "noop", b"421 not now")
    with pytest.raises(checks.Failure, match="421 not now"):
        checks.check_mail(mailing(f"smtp://{mail[0]}"))
    with pytest.raises(OSError, match="refused"):
        checks.check_mail(mailing("smtp://127.0.0.1:1"))
    with pytest.raises(ValidationError, match="must be smtp://"):
        mailing("https://mail.example")


def harm(file: Path, name: str) -> None:
    """Overwrite the first page of a table or an index."""
    with closing(sqlite.connect(str(file), isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name])
        ((size,),) = connection.execute("PRAGMA page_size")
    with file.open("r+b") as content:
        content.seek((page - 1) * size)
        content.write(b"\xa5" * size)


def test_damage_is_told_by_the_command_and_by_answers(
    broadsheet: Broadsheet, data: Path, sqlite_template: Path, all_settings: Settings
) -> None:
    data.mkdir()
    file = data / "broadsheet.db"
    shutil.copy(sqlite_template, file)
    harm(file, "sqlite_autoindex_comment_1")
    status, detail = looked(broadsheet, 1)["pages"]
    assert (status, detail.startswith("damaged: ")) == ("failed", True)
    settings = all_settings.model_copy(update={"database_url": f"sqlite:///{file}", "data_dir": data})
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        answer = client.get(f"/v1/comments/{new_id()}")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert answer.json()["detail"] == "The database is damaged."
        assert client.get("/v1/articles").status_code == 200


def test_rows_without_what_they_refer_to_are_told(broadsheet: Broadsheet, data: Path, sqlite_template: Path) -> None:
    data.mkdir()
    shutil.copy(sqlite_template, data / "broadsheet.db")
    with closing(sqlite.connect(str(data / "broadsheet.db"), isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO article_tally (article_id, comments, inline, reactions) VALUES ('x', 1, 0, '{}')"
        )
    status, detail = looked(broadsheet, 1)["orphans"]
    assert (status, "article_tally of article" in detail) == ("failed", True)


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("REDIS_URL", "redis://127.0.0.1:1", "redis"),
        ("READ_DATABASE_URL", "postgresql://me:secret@127.0.0.1:1/paper", "standbys"),
        ("MEDIA_URL", "ftp://me:secret@127.0.0.1:1/media", "media"),
    ],
)
def test_what_cannot_be_reached_fails(
    broadsheet: Broadsheet, data: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, check: str
) -> None:
    monkeypatch.setenv(f"BROADSHEET_{name}", value)
    found = looked(broadsheet, 1)
    assert found[check][0] == "failed"
    assert "secret" not in str(found)

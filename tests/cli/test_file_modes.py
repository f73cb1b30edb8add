"""What commands write is for their own user alone, whatever the umask of the shell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.checks import Doubt, check_files
from app.core.settings import Settings
from app.net.smtp import MaildirMailer
from app.publication.storage import open_storage


def run(folder: Path, *args: str) -> None:
    """A command under a umask that lets everybody read and write."""
    environment = {**os.environ, "BROADSHEET_DATA_DIR": str(folder / "data"), "BROADSHEET_DATABASE_URL": ""}
    subprocess.run([sys.executable, "-m", "app", *args], cwd=folder, env=environment, check=True, umask=0)


def modes(folder: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), path.stat().st_mode & 0o777) for path in folder.rglob("*")}


def test_commands_keep_their_files_to_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    run(tmp_path, "migrate")
    store = open_storage(str(tmp_path / "data" / "media"))
    store.put("aa/b.png", b"x")
    (tmp_path / "data" / "media" / "aa" / "b.png").chmod(0o644)  # kept from an older release
    run(tmp_path, "export", "archive.ndjson")
    run(tmp_path, "export", "--format", "markdown", "site")
    run(tmp_path, "backup", "backup")
    (tmp_path / "data" / "media" / "aa" / "b.png").chmod(0o600)
    assert (tmp_path / "backup" / "media" / "aa" / "b.png").is_file()
    assert modes(tmp_path) == {(True, 0o700), (False, 0o600)}


def test_pictures_are_written_for_their_owner(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        open_storage(str(tmp_path / "media")).put("aa/b.png", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "media" / "aa" / "b.png").stat().st_mode & 0o777 == 0o600


def test_doctor_tells_what_others_can_read(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", database_url="")
    MaildirMailer(tmp_path / "data" / "mail")._add(b"To: a@example.org\n\nx")
    (tmp_path / "data" / "broadsheet.db").touch()
    (tmp_path / "data" / "broadsheet.db").chmod(0o644)
    (tmp_path / "data").chmod(0o755)
    with pytest.raises(Doubt, match=r"broadsheet\.db"):
        check_files(settings)
    (tmp_path / "data").chmod(0o700)  # nobody gets that far
    assert check_files(settings) == "readable for their owner alone"

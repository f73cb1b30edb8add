"""What commands write is for their own user alone, whatever the umask of the shell."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.checks import CheckWarning, check_files
from app.core.settings import Settings
from app.net.smtp import MaildirMailer
from app.publication.storage import open_storage
from tests.cli.conftest import Broadsheet


@pytest.fixture
def careless() -> Iterator[None]:
    """A umask that lets everybody read and write."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), path.stat().st_mode & 0o777) for path in folder.rglob("*")}


@pytest.mark.usefixtures("careless")
def test_commands_keep_their_files_to_themselves(tmp_path: Path, broadsheet: Broadsheet) -> None:
    def run(*arguments: str) -> None:
        os.umask(0)  # each command is begun by a careless shell
        assert broadsheet(*arguments).status == 0

    run("migrate")
    store = open_storage(str(tmp_path / "data" / "media"))
    store.put("aa/b.png", b"x")
    (tmp_path / "data" / "media" / "aa" / "b.png").chmod(0o644)  # kept from an older release
    run("export", "archive.ndjson")
    run("export", "--format", "markdown", "site")
    run("backup", "backup")
    (tmp_path / "data" / "media" / "aa" / "b.png").chmod(0o600)
    assert (tmp_path / "backup" / "media" / "aa" / "b.png").is_file()
    assert modes(tmp_path) == {(True, 0o700), (False, 0o600)}


@pytest.mark.usefixtures("careless")
def test_pictures_are_written_for_their_owner(tmp_path: Path) -> None:
    open_storage(str(tmp_path / "media")).put("aa/b.png", b"x")
    assert (tmp_path / "media" / "aa" / "b.png").stat().st_mode & 0o777 == 0o600


def test_doctor_tells_what_others_can_read(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", database_url="")
    MaildirMailer(tmp_path / "data" / "mail")._add(b"To: a@example.org\n\nx")
    (tmp_path / "data" / "broadsheet.db").touch()
    (tmp_path / "data" / "broadsheet.db").chmod(0o644)
    (tmp_path / "data").chmod(0o755)
    with pytest.raises(CheckWarning, match=r"broadsheet\.db"):
        check_files(settings)
    (tmp_path / "data").chmod(0o700)  # nobody gets that far
    assert check_files(settings) == "readable by their owner only"

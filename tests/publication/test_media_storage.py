"""Files by key, on a folder and behind an fsspec URL alike."""

import errno
import os
from pathlib import Path

import fsspec
import pytest

from app.publication.storage import NoSuchFile, Storage, StorageFull, StorageUnavailable, open_storage


@pytest.fixture(params=["path", "file", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()
        return open_storage("memory://media")
    folder = tmp_path / "media"
    return open_storage(str(folder) if request.param == "path" else folder.as_uri())


def test_what_is_put_comes_back(storage: Storage) -> None:
    storage.put("2024/a-b_c.jpg", b"one")
    storage.put("2024/other.jpg", b"")
    assert storage.get("2024/a-b_c.jpg") == b"one"
    assert storage.get("2024/other.jpg") == b""
    assert storage.exists("2024/a-b_c.jpg")


def test_putting_again_replaces(storage: Storage) -> None:
    storage.put("a.jpg", b"a long first text")
    storage.put("a.jpg", b"short")
    assert storage.get("a.jpg") == b"short"


def test_deleting_twice_is_no_error(storage: Storage) -> None:
    storage.put("a.jpg", b"one")
    storage.delete("a.jpg")
    storage.delete("a.jpg")
    assert not storage.exists("a.jpg")


def test_what_is_not_there(storage: Storage) -> None:
    storage.put("folder/a.jpg", b"one")
    for key in ("b.jpg", "folder", "folder/b.jpg", "none/b.jpg"):
        assert not storage.exists(key)
        with pytest.raises(NoSuchFile):
            storage.get(key)


KEYS = "/a a/ a//b . .. ../a a/../b a/./b .hidden a/.hidden a..b A.jpg ä a\\b a%2e -a a?b a:b".split()


@pytest.mark.parametrize("key", [*KEYS, "", "a b", "a\n", "a\0b", "a" * 201])
def test_other_keys_are_refused_everywhere(storage: Storage, key: str) -> None:
    for call in (storage.get, storage.exists, storage.delete, lambda name: storage.put(name, b"")):
        with pytest.raises(ValueError, match="not a media key"):
            call(key)


def test_a_failing_put_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = open_storage(str(tmp_path))
    storage.put("a.jpg", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull):
        storage.put("a.jpg", b"new")
    assert storage.get("a.jpg") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_a_folder_that_cannot_be_made_is_an_unavailable_store(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"a file where the folder should be")
    with pytest.raises(StorageUnavailable):
        open_storage(str(tmp_path / "media")).put("a.jpg", b"one")


def test_an_unknown_kind_of_url_is_an_unavailable_store() -> None:
    with pytest.raises(StorageUnavailable, match="ValueError"):
        open_storage("nowhere://media")

"""Media files lie on a folder or behind any fsspec URL; rooms see keys and bytes only."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from app.core.files import make_folder

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*(?:/[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*)*")
_FULL_ERRORS = {errno.ENOSPC, errno.EDQUOT}


class StorageUnavailable(Exception):
    """The store does not answer or refuses; the same call may succeed later."""


class StorageFull(StorageUnavailable):
    """No room is left in the store."""


class NoSuchFile(LookupError):
    """Nothing is stored under this key."""


class Storage:
    """Files by key: `[a-z0-9._-]` in parts joined by `/`, at most 200 characters. Calls block: use a thread."""

    def __init__(self, fs: Any, root: str) -> None:
        self._fs, self._root = fs, root.rstrip("/")
        self._local = isinstance(fs, LocalFileSystem)

    def put(self, key: str, data: bytes) -> None:
        """Store a file whole or not at all, replacing one of the same key."""
        path = self._path(key)
        with _translate_errors():
            if self._local:
                _write_local(Path(path), data)
            else:
                self._fs.pipe_file(path, data)

    def get(self, key: str) -> bytes:
        """The file's bytes; NoSuchFile when there is none."""
        path = self._path(key)
        with _translate_errors():
            try:
                return bytes(self._fs.cat_file(path))
            except (FileNotFoundError, IsADirectoryError) as error:
                raise NoSuchFile(key) from error

    def delete(self, key: str) -> None:
        """Remove a file; one that is gone already is no error, so that a removal can be repeated."""
        path = self._path(key)
        with _translate_errors():
            try:
                self._fs.rm_file(path)
            except FileNotFoundError:
                return

    def exists(self, key: str) -> bool:
        """Whether a file has this key."""
        path = self._path(key)
        with _translate_errors():
            return bool(self._fs.isfile(path))

    def _path(self, key: str) -> str:
        if len(key) > 200 or not _KEY.fullmatch(key):
            raise ValueError("not a media key")
        return f"{self._root}/{key}"


def open_storage(url: str) -> Storage:
    """The store behind a folder's path or an fsspec URL; StorageUnavailable when its driver is missing or refuses."""
    with _translate_errors():
        return Storage(*fsspec.url_to_fs(url))


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Drivers raise exceptions of every kind; callers know three."""
    try:
        yield
    except NoSuchFile:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL_ERRORS:
            raise StorageFull("the media store is full") from error
        raise StorageUnavailable(f"the media store failed: {type(error).__name__}") from error


def _write_local(path: Path, data: bytes) -> None:
    """A reader sees the old file or the new one, and after a power cut one of them is there in full."""
    make_folder(path.parent)
    draft = path.parent / f".{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

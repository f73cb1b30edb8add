"""Storage of media files in a folder or behind an fsspec URL, by key."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from app.core.files import make_folder

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*(?:/[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]+)*)*")
_FULL_ERRORS = {errno.ENOSPC, errno.EDQUOT}


class StorageUnavailable(Exception):
    """The store does not answer or refuses; a retry may succeed."""


class StorageFull(StorageUnavailable):
    """The store has no space left."""


class NoSuchFile(LookupError):
    """No file has this key."""


class Storage:
    """Files by key: `[a-z0-9._-]` in parts joined by `/`, at most 200 characters. Calls block: use a thread."""

    def __init__(self, fs: fsspec.AbstractFileSystem, root: str) -> None:
        self._fs, self._root = fs, root.rstrip("/")
        self._local = isinstance(fs, LocalFileSystem)
        self._is_s3 = "s3" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)

    def put(self, key: str, data: bytes) -> None:
        """Store a file atomically, replacing one of the same key."""
        path = self._path(key)
        with _translate_errors():
            if self._local:
                _write_local(Path(path), data)
            else:
                self._fs.pipe_file(path, data)

    def get(self, key: str) -> bytes:
        """Return the data of a file; NoSuchFile without one."""
        path = self._path(key)
        with _translate_errors():
            try:
                return bytes(self._fs.cat_file(path))
            except (FileNotFoundError, IsADirectoryError) as error:
                raise NoSuchFile(key) from error

    def size(self, key: str) -> int:
        """Return the size of a file in bytes; NoSuchFile without one."""
        path = self._path(key)
        with _translate_errors():
            self._fs.invalidate_cache()  # the file may have been sent by somebody else since
            try:
                return int(self._fs.size(path))
            except FileNotFoundError as error:
                raise NoSuchFile(key) from error

    def sign_upload(self, key: str, size: int, seconds: int) -> str | None:
        """Return a URL to which whoever has it may send (PUT) a file of this size; None if the store signs none."""
        path = self._path(key)
        if not self._is_s3:
            return None
        with _translate_errors():
            signed = self._fs.sign(path, expiration=seconds, client_method="put_object", ContentLength=size)
        return str(signed)

    def delete(self, key: str) -> None:
        """Delete a file; a missing one is no error, so that deletions can be repeated."""
        path = self._path(key)
        with _translate_errors():
            try:
                self._fs.rm_file(path)
            except FileNotFoundError:
                return

    def delete_folder(self, key: str) -> None:
        """Delete all files below a key; none is no error."""
        path = self._path(key)
        with _translate_errors():
            try:
                self._fs.rm(path, recursive=True)
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
    """Return the store at a folder or fsspec URL; StorageUnavailable if its driver is missing or refuses."""
    is_s3 = url.startswith(("s3://", "s3a://"))
    options = {"config_kwargs": {"signature_version": "s3v4"}} if is_s3 else {}  # which signs the size of an upload
    with _translate_errors():
        return Storage(*fsspec.url_to_fs(url, **options))


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Translate exceptions of drivers to the three of this module."""
    try:
        yield
    except NoSuchFile:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL_ERRORS:
            raise StorageFull("the media store is full") from error
        raise StorageUnavailable(f"the media store failed: {type(error).__name__}") from error


def _write_local(path: Path, data: bytes) -> None:
    """Write a file atomically and durably: readers and crashes see the old file or the new one."""
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

"""Uploads whose file the client sends to the store itself, by an address that is signed for one PUT.

Where the store signs no addresses, such as a folder, the address is on this server.
"""

import hmac
import secrets
from datetime import datetime, timedelta
from typing import Final, TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.core import problems
from app.core.clock import now
from app.core.ids import is_id
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, lock_row
from app.identity.schemas import Actor
from app.publication.media_library import ImageRefused, Upload, create_media, storage_problems
from app.publication.schemas import MediaIn, UploadIn
from app.publication.storage import Storage, open_storage
from app.publication.tables import MediaUpload

UPLOAD_SECONDS: Final = 3600  # for which an upload may be finished
MAX_PRUNED: Final = 10  # uploads at a time, as each takes a call of the store
_UPLOAD = table_of(MediaUpload)


class UploadIncomplete(problems.Conflict, code="upload_incomplete", title="The file has not arrived"):
    """The file of an upload is not in the store yet."""


class UploadRow(TypedDict):
    """An upload that was begun."""

    id: str
    token: str
    bytes: int
    description: JsonObject
    media_id: str | None
    created_at: datetime
    expires_at: datetime


def key_of_upload(upload_id: str) -> str:
    """Return the key under which the file of an upload arrives."""
    return f"uploads/{upload_id}"


def begin_upload(session: Session, _actor: Actor, upload_id: str, token: str, data: UploadIn) -> str:
    """Create an upload; returns its id."""
    description = data.model_dump(exclude={"bytes"})
    moment = now()
    session.add(
        MediaUpload(
            id=upload_id,
            token=token,
            bytes=data.bytes,
            description=description,
            created_at=moment,
            expires_at=moment + timedelta(seconds=UPLOAD_SECONDS),
        )
    )
    return upload_id


def make_token() -> str:
    """Return a random token for the address of an upload on this server."""
    return secrets.token_hex(16)


def sign_address(storage: Storage, upload_id: str, token: str, size: int, api: str) -> str:
    """Return the address to which the file is sent: of the store, if it signs one. Slow: call it in a thread."""
    with storage_problems():
        signed = storage.sign_upload(key_of_upload(upload_id), size, UPLOAD_SECONDS)
    return signed or f"{api}/v1/media/uploads/{upload_id}/file?s={token}"


def find_upload(connection: sa.Connection, ref: str) -> UploadRow | None:
    """Find an upload that may still be finished."""
    if not is_id(ref):
        return None
    return fetch_row(connection, sa.select(_UPLOAD).where(_UPLOAD.c.id == ref, _UPLOAD.c.expires_at > now()), UploadRow)


def get_by_token(connection: sa.Connection, ref: str, token: str) -> UploadRow:
    """Return an unfinished upload to whose address on this server a file is sent; 404 for a wrong token."""
    row = find_upload(connection, ref)
    if row is None or row["media_id"] or not hmac.compare_digest(row["token"].encode(), token.encode()):
        raise problems.NotFound
    return row


def receive_file(storage: Storage, row: UploadRow, data: bytes) -> None:
    """Store the file of an upload; 422 if its size is not the announced one. Slow: call it in a thread."""
    _check_size(row, len(data))
    with storage_problems():
        storage.put(key_of_upload(row["id"]), data)


def load_upload(storage: Storage, row: UploadRow) -> bytes:
    """Return the file that has arrived, of the announced size; 409 without it. Slow: call it in a thread."""
    key = key_of_upload(row["id"])
    try:
        with storage_problems():
            _check_size(row, storage.size(key))  # before it is read
            return storage.get(key)
    except problems.NotFound as error:
        raise UploadIncomplete("Send the file to the address of the upload first, then finish it.") from error
    except ImageRefused:
        discard_file(storage, row["id"])
        raise


def _check_size(row: UploadRow, size: int) -> None:
    if size != row["bytes"]:
        raise ImageRefused(
            f"The file has {size:,} bytes; {row['bytes']:,} were announced.", pointer="/bytes", code="image_size"
        )


def discard_file(storage: Storage, upload_id: str) -> None:
    """Delete the file of an upload from where it arrived. Slow: call it in a thread."""
    with storage_problems():
        storage.delete(key_of_upload(upload_id))


def finish_upload(session: Session, actor: Actor, upload_id: str, upload: Upload) -> str:
    """Create the picture of an upload, once; returns its id."""
    row = lock_row(session, MediaUpload, upload_id)
    if row.media_id is None:
        row.media_id = create_media(session, actor, upload, MediaIn.model_validate(row.description))
    return row.media_id


def has_expired_uploads(connection: sa.Connection) -> bool:
    """Whether there are uploads that were begun and can be finished no more."""
    return connection.execute(_select_expired(now())).first() is not None


def prune_uploads(session: Session, storage_url: str) -> int:
    """Delete some uploads that can be finished no more, with their files; return their number."""
    ids = [str(row.id) for row in session.execute(_select_expired(now()))]
    storage = open_storage(storage_url)
    for upload_id in ids:
        storage.delete(key_of_upload(upload_id))
    session.execute(sa.delete(_UPLOAD).where(_UPLOAD.c.id.in_(ids)))
    return len(ids)


def _select_expired(moment: datetime) -> sa.Select[str]:
    return (
        sa.select(_UPLOAD.c.id).where(_UPLOAD.c.expires_at <= moment).order_by(_UPLOAD.c.expires_at).limit(MAX_PRUNED)
    )

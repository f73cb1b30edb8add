"""Taking pictures in, describing them and letting them go."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.core import problems
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.db.columns import table_of
from app.events.catalog import MediaChanged, MediaDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.permissions import require_publish
from app.identity.schemas import Actor
from app.publication import images, terms
from app.publication.generations import bump_generation
from app.publication.schemas import MediaIn, MediaPatch, present_image
from app.publication.storage import NoSuchFile, Storage, StorageFull, StorageUnavailable
from app.publication.tables import Author, Media
from app.web.paging import PageQuery, Sort, fetch_page

MAX_PIXELS = 60_000_000  # all frames together; a decoded pixel takes three or four bytes
_AUTHOR, _MEDIA = table_of(Author), table_of(Media)


class ImageRefused(problems.Invalid):
    """The file is damaged, or holds more pixels than are taken; `errors` says which."""

    code, title = "image_refused", "This picture cannot be taken"


@dataclass(frozen=True)
class Upload:
    """A picture rebuilt, with its renditions: all that the store and the table need."""

    picture: images.Picture
    renditions: Sequence[images.EncodedImage]

    def files(self) -> dict[str, bytes]:
        """Every file under the key it is stored under."""
        return {key_of(image): image.data for image in (self.picture, *self.renditions)}


def key_of(image: images.EncodedImage) -> str:
    """Where a file lies in the store: its name, in a folder of the name's first letters."""
    return f"{image.name[:2]}/{image.name}"


def process_upload(data: bytes, max_bytes: int) -> Upload:
    """Read an upload and encode it again; 413, 415 or 422 when it is refused. Slow: call it in a thread."""
    if len(data) > max_bytes:
        raise problems.BodyTooLarge(f"The file is larger than {max_bytes:,} bytes.")
    try:
        picture = images.decode_picture(data, max_bytes=max_bytes, max_pixels=MAX_PIXELS)
        return Upload(picture, images.make_renditions(picture))
    except images.UnreadableImage as error:
        if error.code == images.UNSUPPORTED:
            raise problems.UnsupportedMediaType(str(error)) from error
        raise ImageRefused(str(error), pointer="/file", code=error.code) from error


@contextmanager
def _as_problems() -> Iterator[None]:
    """Failures of the media store as problems: 507 when it is full, 404 for a file that is not there, else 503."""
    try:
        yield
    except NoSuchFile as error:
        raise problems.NotFound from error
    except StorageFull as error:
        raise problems.StorageFull("The media store is full.") from error
    except StorageUnavailable as error:
        raise problems.Unavailable("The media store cannot be reached.") from error


def warnings_of(upload: Upload) -> list[str]:
    """What of an upload could not be kept, for whoever sent it."""
    if not upload.picture.lost_frames:
        return []
    return ["Only the first frame is kept: animations are kept as GIF and WebP."]


def store_files(storage: Storage, upload: Upload) -> None:
    """Store the files that are not there yet. Slow: call it in a thread."""
    with _as_problems():
        for key, data in upload.files().items():
            if not storage.exists(key):
                storage.put(key, data)


def delete_files(storage: Storage, keys: Sequence[str]) -> None:
    """Remove files from the store. Slow: call it in a thread."""
    with _as_problems():
        for key in keys:
            storage.delete(key)


def load_file(storage: Storage, key: str) -> bytes:
    """A file's bytes; 404 without one. Slow: call it in a thread."""
    with _as_problems():
        return storage.get(key)


def create_media(session: Session, actor: Actor, upload: Upload, data: MediaIn) -> str:
    """Make a picture of files that are stored already; returns its id."""
    row = _make_media(data, "stored")
    _set_files(row, upload)
    return _add_media(session, actor, row)


def store_reference(session: Session, actor: Actor, media_id: str, upload: Upload) -> str:
    """Give a picture that was only referred to files of its own, which are stored already; returns its id."""
    row = _lock_media(session, media_id)
    if row.state == "reference":
        _set_files(row, upload)
        row.state, row.version, row.updated_at = "stored", row.version + 1, now()
        bump_generation(session)
        emit(session, MediaChanged(subject_id=row.id, created=False))
        record_action(session, actor, "media.change", "media", row.id, {"fields": ["file"]})
    return row.id


def _set_files(row: Media, upload: Upload) -> None:
    picture = upload.picture
    row.mime, row.width, row.height = picture.media_type, picture.width, picture.height
    row.bytes, row.sha256 = len(picture.data), sha256(picture.data).hexdigest()
    row.key = key_of(picture)
    row.renditions = [
        {
            "name": f"w{image.width}",
            "width": image.width,
            "height": image.height,
            "mime": image.media_type,
            "key": key_of(image),
        }
        for image in upload.renditions
    ]


def create_reference(
    session: Session, actor: Actor, url: str, alt: str = "", caption: str = "", credit: str = ""
) -> str:
    """Make a picture whose file stays at an address elsewhere; returns its id."""
    row = _make_media(MediaIn(alt=alt, caption=caption, credit=credit), "reference")
    row.url = url
    return _add_media(session, actor, row)


def _make_media(data: MediaIn, state: str) -> Media:
    moment = now()
    return Media(id=new_id(), state=state, created_at=moment, updated_at=moment, **data.model_dump())


def _add_media(session: Session, actor: Actor, row: Media) -> str:
    session.add(row)
    emit(session, MediaChanged(subject_id=row.id, created=True))
    record_action(session, actor, "media.create", "media", row.id, {"state": row.state})
    return row.id


def require_media(session: Session, ref: str, pointer: str = "/image") -> str:
    """The id of a picture that must be there; 422 otherwise. It cannot be deleted before this transaction ends."""
    locked = sa.select(_MEDIA.c.id).where(_MEDIA.c.id == ref).with_for_update(read=True, key_share=True)
    if is_id(ref) and session.execute(locked).first():
        return ref
    raise problems.Invalid("There is no such picture.", pointer=pointer, code="not_found")


def _lock_media(session: Session, media_id: str) -> Media:
    row = session.get(Media, media_id, with_for_update=True) if is_id(media_id) else None
    if row is None:
        raise problems.NotFound
    return row


def _is_author_image(session: Session, media_id: str) -> bool:
    """Whether it is the picture of an author, whose profile is public."""
    return session.execute(sa.select(_AUTHOR.c.id).where(_AUTHOR.c.image_id == media_id).limit(1)).first() is not None


def update_media(
    session: Session, actor: Actor, media_id: str, data: MediaPatch, versions: frozenset[int] | None
) -> str:
    """Change what is said of a picture; returns its id."""
    terms.require_all_sections(actor)
    row = _lock_media(session, media_id)
    shown = row.shown > 0 or _is_author_image(session, row.id)
    if fields := terms.update_row(actor, row, versions, data.model_dump(exclude_unset=True), shown=shown):
        emit(session, MediaChanged(subject_id=row.id, created=False))
        record_action(session, actor, "media.change", "media", row.id, {"fields": fields})
    return row.id


def delete_media(session: Session, actor: Actor, media_id: str, versions: frozenset[int] | None) -> list[str]:
    """Delete a picture that nothing shows; returns the keys of its files, which may be other pictures' as well.

    Files are public at their addresses, and texts may show them: removing one needs `content:publish`.
    """
    terms.require_all_sections(actor)
    row = _lock_media(session, media_id)
    if row.key is not None:
        require_publish(actor)
    terms.delete_row(session, row, versions)
    emit(session, MediaDeleted(subject_id=row.id))
    record_action(session, actor, "media.delete", "media", row.id, {"state": row.state})
    return [key for key in (row.key, *(copy["key"] for copy in row.renditions)) if key]


_BY_ID = sa.select(_MEDIA).where(_MEDIA.c.id == sa.bindparam("id"))
NEWEST_FIRST = Sort("-created_at", descending=True)


def find_media(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """One picture by id, or None; pictures have no slugs."""
    return connection.execute(_BY_ID, {"id": ref}).mappings().first() if is_id(ref) else None


def present_media(row: Mapping[Any, Any], api: str) -> dict[str, Any]:
    """A row in the shape of `MediaOut`, its files at the address of this API."""
    return {**row, **present_image(row, api), "warnings": []}


def get_media(connection: sa.Connection, media_id: str, api: str) -> dict[str, Any]:
    """A picture that was just written, in the shape of `MediaOut`."""
    return present_media(connection.execute(_BY_ID, {"id": media_id}).mappings().one(), api)


def find_sizes(connection: sa.Connection, keys: Collection[str]) -> dict[str, tuple[int | None, int | None]]:
    """Width and height of stored pictures by the keys of their files."""
    if not keys:
        return {}
    columns = (_MEDIA.c.key, _MEDIA.c.width, _MEDIA.c.height)
    rows = connection.execute(sa.select(*columns).where(_MEDIA.c.key.in_(sorted(keys))))
    return {row.key: (row.width, row.height) for row in rows}


def list_media(connection: sa.Connection, query: PageQuery, api: str) -> dict[str, Any]:
    """A page of pictures, newest first."""
    page = fetch_page(connection, sa.select(_MEDIA), NEWEST_FIRST, _MEDIA.c.created_at, query)
    return {**page, "data": [present_media(row, api) for row in page["data"]]}


def is_stored(connection: sa.Connection, key: str) -> bool:
    """Whether any picture has this file."""
    return connection.execute(sa.select(_MEDIA.c.id).where(_MEDIA.c.key == key).limit(1)).first() is not None

"""Uploading, describing and deleting pictures."""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, TypedDict, cast

import sqlalchemy as sa
from sqlmodel import Session

from app.core import problems
from app.core.clock import now
from app.core.ids import is_id, new_id
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject, Statement, Store, fetch_row, get_row, lock_row
from app.events.catalog import MediaChanged, MediaDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.permissions import require_publish
from app.identity.schemas import Actor
from app.publication import terms
from app.publication.generations import bump_generation
from app.publication.media_uses import MediaUses, group_uses
from app.publication.notice_targets import NoticeArticles
from app.publication.renditions import PictureRow
from app.publication.schemas import MediaIn, MediaPatch, MediaQuery, columns_of, present_image
from app.publication.storage import NoSuchFile, Storage, StorageFull, StorageUnavailable
from app.publication.tables import Author, Media
from app.text.collation import fold_name
from app.web import etag
from app.web.paging import Page, Sort, fetch_page, map_page

if TYPE_CHECKING:
    from app.publication import images

ORIGINALS = "originals/"  # folder of files as they were sent
_AUTHOR, _MEDIA = table_of(Author), table_of(Media)


class ImageRefused(problems.Invalid, code="image_refused", title="The picture is refused"):
    """The file is damaged or has too many pixels; `errors` says which."""


@dataclass(frozen=True)
class Upload:
    """A re-encoded picture, ready to be stored."""

    picture: "images.Picture"

    original: bytes

    @cached_property
    def original_sha256(self) -> str:
        """The hash of the file as it was sent, hexadecimal."""
        return sha256(self.original).hexdigest()

    @property
    def original_key(self) -> str:
        """The key of the file as it was sent, below which nothing is served."""
        return f"{ORIGINALS}{self.original_sha256[:2]}/{self.original_sha256}"

    def files(self) -> dict[str, bytes]:
        """Return the data of each file by its key."""
        return {key_of(self.picture): self.picture.data, self.original_key: self.original}


def key_of(image: "images.EncodedImage") -> str:
    """Return the key of a file: its name in a folder of its first two letters."""
    return f"{image.name[:2]}/{image.name}"


def process_upload(data: bytes, max_bytes: int) -> Upload:
    """Re-encode an upload; 413, 415 or 422 if it is refused. Slow: call it in a thread."""
    from app.publication import images  # here, as few processes are sent pictures, and Pillow takes 4 MB

    if len(data) > max_bytes:
        raise problems.BodyTooLarge(f"The file is larger than {max_bytes:,} bytes.")
    try:
        return Upload(images.decode_picture(data, max_bytes=max_bytes), data)
    except images.UnreadableImage as error:
        if error.code == images.UNSUPPORTED:
            raise problems.UnsupportedMediaType(str(error)) from error
        raise ImageRefused(str(error), pointer="/file", code=error.code) from error


@contextmanager
def storage_problems() -> Iterator[None]:
    """Translate failures of the media store: 507 if it is full, 404 for a missing file, otherwise 503."""
    try:
        yield
    except NoSuchFile as error:
        raise problems.NotFound from error
    except StorageFull as error:
        raise problems.StorageFull("The media store is full.") from error
    except StorageUnavailable as error:
        raise problems.Unavailable("The media store is not available. Try again later.") from error


def warnings_of(upload: Upload) -> list[str]:
    """List what of an upload was not kept."""
    if not upload.picture.lost_frames:
        return []
    return ["Only the first frame was kept. Upload animations as GIF or WebP."]


def store_files(storage: Storage, upload: Upload) -> None:
    """Store the files that do not exist yet. Slow: call it in a thread."""

    with storage_problems():
        for key, data in upload.files().items():
            if not storage.exists(key):
                storage.put(key, data)


def delete_files(storage: Storage, keys: Sequence[str]) -> None:
    """Delete files from the store. Slow: call it in a thread."""

    with storage_problems():
        for key in keys:
            storage.delete(key)


def load_file(storage: Storage, key: str) -> bytes:
    """Return the data of a file; 404 without one. Slow: call it in a thread."""

    with storage_problems():
        return storage.get(key)


def create_media(session: Session, actor: Actor, upload: Upload, data: MediaIn) -> str:
    """Create a picture whose files are stored already; returns its id."""
    row = _make_media(data, "stored")
    _set_files(row, upload)
    return _add_media(session, actor, row)


def store_reference(session: Session, actor: Actor, media_id: str, upload: Upload) -> str:
    """Add stored files to a picture that was only a reference; returns its id."""
    row = lock_row(session, Media, media_id)
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
    row.key, row.animated = key_of(picture), picture.animated
    row.token = row.token or secrets.token_hex(16)
    row.provenance = picture.provenance
    row.original = {
        "key": upload.original_key,
        "mime": picture.original_type,
        "bytes": len(upload.original),
        "sha256": upload.original_sha256,
        "location": picture.has_location,
    }


def create_reference(
    session: Session, actor: Actor, url: str, alt: str = "", caption: str = "", credit: str = ""
) -> str:
    """Create a picture whose file is at a URL elsewhere; returns its id."""
    row = _make_media(MediaIn(alt=alt, caption=caption, credit=credit), "reference")
    row.url = url
    return _add_media(session, actor, row)


def _make_media(data: MediaIn, state: str) -> Media:
    moment = now()
    row = Media(id=new_id(), state=state, token=secrets.token_hex(16), created_at=moment, updated_at=moment)
    return row.sqlmodel_update(data.columns())


def _add_media(session: Session, actor: Actor, row: Media) -> str:
    session.add(row)
    emit(session, MediaChanged(subject_id=row.id, created=True))
    record_action(session, actor, "media.create", "media", row.id, {"state": row.state})
    return row.id


def require_media(session: Session, ref: str, pointer: str = "/image") -> str:
    """Return the id of an existing picture; 422 without one. It cannot be deleted before the transaction ends."""
    locked = sa.select(_MEDIA.c.id).where(_MEDIA.c.id == ref).with_for_update(read=True, key_share=True)
    if is_id(ref) and session.execute(locked).first():
        return ref
    raise problems.Invalid("There is no picture with this id. Upload it first.", pointer=pointer, code="not_found")


def _is_author_image(session: Session, media_id: str) -> bool:
    """Whether it is the picture of an author, which is public."""
    return session.execute(sa.select(_AUTHOR.c.id).where(_AUTHOR.c.image_id == media_id).limit(1)).first() is not None


def update_media(
    session: Session, actor: Actor, media_id: str, data: MediaPatch, versions: frozenset[int] | None
) -> str:
    """Update the description of a picture; returns its id."""
    terms.require_all_sections(actor, "content:write")
    row = lock_row(session, Media, media_id)
    shown = row.shown > 0 or _is_author_image(session, row.id)
    values = columns_of(data.model_dump(exclude_unset=True))
    if fields := terms.update_row(actor, row, versions, values, shown=shown):
        emit(session, MediaChanged(subject_id=row.id, created=False))
        record_action(session, actor, "media.change", "media", row.id, {"fields": fields})
    return row.id


def delete_media(
    session: Session, actor: Actor, media_id: str, versions: frozenset[int] | None, uses: MediaUses
) -> list[str]:
    """Delete an unused picture; returns the keys of its files, which other pictures may share.

    Files are public and pages elsewhere may link to them, so deleting one requires `content:publish`.
    """
    terms.require_all_sections(actor, "content:write")
    row = lock_row(session, Media, media_id)
    if row.key is not None:
        require_publish(actor)
    etag.check_version(row.version, versions)
    if used := uses.find(session, row.id):
        raise terms.InUse(uses=group_uses(used))
    terms.delete_row(session, row, versions)
    if row.shown > 0:
        raise terms.InUse("Readers see it, perhaps for search engines alone. Choose another picture there first.")
    emit(session, MediaDeleted(subject_id=row.id))
    record_action(session, actor, "media.delete", "media", row.id, {"state": row.state})
    original = row.original["key"] if row.original else None
    return [str(key) for key in (row.key, *(copy["key"] for copy in row.renditions), original) if key]


class MediaRow(TypedDict):
    """A picture as it is stored."""

    id: str
    state: str
    mime: str | None
    width: int | None
    height: int | None
    bytes: int | None
    sha256: str | None
    key: str | None
    url: str | None
    alt: str
    caption: str
    credit: str
    renditions: list[JsonObject]
    shown: int
    token: str | None
    animated: bool | None
    focal_x: float | None
    focal_y: float | None
    original: JsonObject | None
    provenance: str | None
    words: str
    uses: int
    version: int
    created_at: datetime
    updated_at: datetime


NEWEST_FIRST = Sort("-created_at", descending=True)
_PICTURE: Prepared[PictureRow] = Prepared(
    sa.select(*(_MEDIA.c[name] for name in PictureRow.__annotations__)).where(
        _MEDIA.c.id == sa.bindparam("id", type_=_MEDIA.c.id.type)
    )
)


def find_picture(connection: sa.Connection, ref: str) -> PictureRow | None:
    """Find the columns of a picture that decide about its renditions, by its id."""
    return _PICTURE.row(connection, {"id": ref}) if is_id(ref) else None


@dataclass(frozen=True)
class Library:
    """The pictures as they are presented: with files below a base address, and the number of their uses."""

    base: str
    uses: MediaUses

    def _select(self) -> Statement:
        return sa.select(_MEDIA, self.uses.count(_MEDIA.c.id).label("uses"))

    def present(self, row: Mapping[str, object]) -> JsonObject:
        """Shape a row as `MediaOut`."""
        return present_media(row, self.base)

    def find(self, connection: sa.Connection, ref: str) -> MediaRow | None:
        """Find a picture by its id."""
        by_id = self._select().where(_MEDIA.c.id == ref)
        return fetch_row(connection, by_id, MediaRow) if is_id(ref) else None

    def get(self, connection: sa.Connection, media_id: str) -> JsonObject:
        """Return a picture by id, as `MediaOut`."""
        return self.present(get_row(connection, self._select().where(_MEDIA.c.id == media_id), MediaRow))

    def list(self, connection: sa.Connection, query: MediaQuery) -> Page[JsonObject]:
        """Return a page of pictures, newest first."""
        statement = self._select()
        for word in fold_name(query.q or "").split():
            statement = statement.where(_MEDIA.c.words.contains(word, autoescape=True))
        if query.kind == "reference":
            statement = statement.where(_MEDIA.c.state == "reference")
        elif query.kind is not None:
            statement = statement.where(_MEDIA.c.mime == f"image/{query.kind}")
        if query.used is not None:
            is_used = self.uses.is_used(_MEDIA.c.id)
            statement = statement.where(is_used if query.used else ~is_used)
        page = fetch_page(connection, statement, NEWEST_FIRST, _MEDIA.c.created_at, query, MediaRow)
        return map_page(page, self.present)

    def list_uses(
        self, connection: sa.Connection, actor: Actor, articles: NoticeArticles, ref: str
    ) -> JsonObject | None:
        """List where a picture is used, as `MediaUsesOut`; None without it.

        Callers who read drafts in some sections are not told the titles of those in others.
        """
        if find_picture(connection, ref) is None:
            return None
        uses = self.uses.find(connection, ref)
        ids = sorted({use["id"] for use in uses if use["kind"] == "article"})
        if ids and actor.draft_sections is not None:
            visible = articles.select_visible(actor).subquery()
            seen = set(connection.execute(sa.select(visible.c.id).where(visible.c.id.in_(ids))).scalars())
            uses = [use for use in uses if use["kind"] != "article" or use["id"] in seen]
        return {"data": uses}


def present_media(row: Mapping[str, object], base: str) -> JsonObject:
    """Shape a row as `MediaOut`, with files below the base address."""
    return {**row, **present_image(row, base), "warnings": []}


def find_sizes(connection: sa.Connection, keys: Collection[str]) -> dict[str, tuple[int | None, int | None]]:
    """Return the width and height of stored pictures by the keys of their files."""
    if not keys:
        return {}
    columns = (_MEDIA.c.key, _MEDIA.c.width, _MEDIA.c.height)
    rows = connection.execute(sa.select(*columns).where(_MEDIA.c.key.in_(sorted(keys))))
    return {row.key: (row.width, row.height) for row in rows}


def find_ids_by_keys(store: Store, keys: Collection[str]) -> list[str]:
    """Return the ids of the pictures with these files; of several with one file the newest, as described last."""
    newest = sa.select(sa.func.max(sa.cast(_MEDIA.c.id, sa.String))).where(_MEDIA.c.key.in_(sorted(keys)))
    return sorted(str(row[0]) for row in store.execute(newest.group_by(_MEDIA.c.key)))


def find_original(connection: sa.Connection, ref: str) -> JsonObject | None:
    """Return key, media type and hash of the file of a picture as it was sent; None without one."""
    if not is_id(ref):
        return None
    original = connection.execute(sa.select(_MEDIA.c.original).where(_MEDIA.c.id == ref)).scalar_one_or_none()
    return cast("JsonObject | None", original)


def list_orphans(connection: sa.Connection, keys: Sequence[str]) -> list[str]:
    """Return those keys of the files of a deleted picture, its own first, that no other picture has."""
    own, *others = keys
    rows = connection.execute(sa.select(_MEDIA.c.original).where(_MEDIA.c.key == own)).all()
    if not rows:
        return [own, *others]
    kept = {row.original["key"] for row in rows if row.original}
    return [key for key in others if key.startswith(ORIGINALS) and key not in kept]

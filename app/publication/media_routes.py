"""Routes of pictures: uploading, describing, and serving their files."""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVarTuple
from uuid import UUID

import sqlalchemy as sa
from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlmodel import Session
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response
from starlette.types import Message

from app.core.ids import new_id
from app.core.problems import (
    BodyTooLarge,
    Forbidden,
    Invalid,
    NotFound,
    Problem,
    Responses,
    StorageFull,
    UnsupportedMediaType,
    document_problems,
)
from app.db.rows import JsonObject
from app.identity.access import DraftReader, ExpectedVersions, Public, ThirdParty, Writer
from app.identity.schemas import Actor
from app.identity.writes import write
from app.publication import media_library, responses, uploads
from app.publication.media_library import Library, Upload
from app.publication.renditions import (
    FORMS,
    MEDIA_PATH,
    MIME_TYPES,
    fit_spec,
    has_renditions,
    parse_spec,
    present_rendition,
)
from app.publication.responses import DELETE_RESPONSES, UPDATE_RESPONSES
from app.publication.schemas import (
    MediaIn,
    MediaOut,
    MediaPatch,
    MediaQuery,
    MediaUsesOut,
    RenditionOut,
    RenditionQuery,
    UploadIn,
    UploadOut,
)
from app.publication.services import PublicationServices
from app.publication.storage import Storage
from app.web import etag
from app.web.paging import ListOut, ReadQuery
from app.web.responses import PRIVATE_CACHE_CONTROL, database, reply_private, reply_private_list, settings
from app.web.routing import ReadParameters, Router

MAX_UPLOAD_BYTES = 1_000_000_000  # lifts the general limit of bodies; MAX_MEDIA_SIZE limits uploads
MAX_FORM_OVERHEAD = 64_000  # bytes of the form without the file
IMMUTABLE = "public, max-age=31536000, immutable"
_FILE_KEY = re.compile(rf"[0-9a-f]{{2}}/([0-9a-f]{{32}}(?:-\d{{1,5}})?)\.({'|'.join(MIME_TYPES)})")
_DECODING = ThreadPoolExecutor(2, "images")  # decoding takes up to half a gigabyte
_DESCRIPTION = MediaIn.model_json_schema()["properties"]
_FORM_FIELDS = {
    **{name: _DESCRIPTION[name] for name in ("alt", "caption", "credit")},
    "focal_point": {
        "type": "string",
        "pattern": r"^(0(\.\d+)?|1(\.0+)?),(0(\.\d+)?|1(\.0+)?)$",
        "description": "What crops keep in view, as fractions of width and height: `0.5,0.3`.",
    },
}
_UPLOAD_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "JPEG, PNG, GIF, WebP or AVIF, detected by content.",
                        },
                        **_FORM_FIELDS,
                    },
                }
            }
        },
    }
}
_BINARY = {"type": "string", "format": "binary"}


def _describe_file(description: str) -> Responses:
    """Describe a response that is a file."""
    return {200: {"description": description, "content": {"image/*": {"schema": _BINARY}}}}


Ts = TypeVarTuple("Ts")
router = Router(tags=["media"])


def _store(request: Request) -> Storage:
    return PublicationServices.of(request).media


def _library(request: Request) -> Library:
    return Library(settings(request).media_base, PublicationServices.of(request).media_uses)


def _limit_body(receive: Callable[[], Awaitable[Message]], max_bytes: int) -> Callable[[], Awaitable[Message]]:
    """Limit the body of a request; 413 once it is longer."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > max_bytes:
            raise BodyTooLarge(f"The body is larger than {max_bytes:,} bytes.")
        return message

    return bounded


async def _read_form(request: Request) -> tuple[bytes, MediaIn]:
    """Return the file and its description from a multipart form (RFC 7578)."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedMediaType("Send the picture as multipart/form-data.")
    max_bytes = settings(request).max_media_size + MAX_FORM_OVERHEAD
    inner = Request(request.scope, _limit_body(request.receive, max_bytes))
    async with inner.form(max_files=1, max_fields=len(MediaIn.model_fields), max_part_size=MAX_FORM_OVERHEAD) as form:
        return await _parse_form(form)


async def _parse_form(form: FormData) -> tuple[bytes, MediaIn]:
    parts: dict[str, UploadFile | str] = dict(form)
    file = parts.pop("file", None)
    if not isinstance(file, UploadFile):
        raise Invalid("The form must have a file in the field file.", pointer="/file", code="missing")
    try:
        data = MediaIn.model_validate(parts)
    except ValidationError as error:
        raise RequestValidationError([{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()]) from error
    return await file.read(), data


@router.post(
    "/v1/media",
    summary="Upload a picture",
    status_code=201,
    response_model=MediaOut,
    max_body_size=MAX_UPLOAD_BYTES,
    openapi_extra=_UPLOAD_FORM,
    responses=document_problems(BodyTooLarge, UnsupportedMediaType, media_library.ImageRefused, StorageFull),
)
async def upload_media(request: Request, actor: Writer) -> Response:
    """Upload a picture: JPEG, PNG, GIF, WebP or AVIF. It is re-encoded without metadata, with smaller copies.

    GIF and WebP stay animated. Of an animated PNG or AVIF only the first frame is kept, and `warnings` says so.
    """
    content, data = await _read_form(request)
    description = json.dumps(data.model_dump()).encode()
    picture = await _process(request, content)
    payload = hashlib.sha256(content).digest() + description
    return await _store_picture(request, actor, picture, media_library.create_media, picture, data, payload=payload)


async def _process(request: Request, content: bytes) -> Upload:
    """Decode an upload and encode it again, in one of few threads; 413, 415 or 422 if it is refused."""
    loop, max_bytes = asyncio.get_running_loop(), settings(request).max_media_size
    return await loop.run_in_executor(_DECODING, media_library.process_upload, content, max_bytes)


async def _store_picture(
    request: Request,
    actor: Actor,
    picture: Upload,
    create: Callable[[Session, Actor, *Ts], str],
    *args: *Ts,
    payload: bytes | None = None,
) -> Response:
    """Store the files of an upload, create its row, and answer with the picture."""
    await asyncio.to_thread(media_library.store_files, _store(request), picture)  # no row without its files

    def show(connection: sa.Connection, media_id: str) -> JsonObject:
        return {**_library(request).get(connection, media_id), "warnings": media_library.warnings_of(picture)}

    answer = await write(
        request,
        actor,
        create,
        *args,
        render=show,
        model=MediaOut,
        status=201,
        location="/v1/media/{id}",
        payload=payload,
    )
    # a concurrent deletion may have removed them
    await asyncio.to_thread(media_library.store_files, _store(request), picture)
    return answer


@router.get("/v1/media", summary="List pictures", response_model=ListOut[MediaOut])
async def list_media(request: Request, query: Annotated[MediaQuery, Query()], actor: DraftReader) -> Response:
    """List the pictures of the library, newest first."""
    page = await database(request).read(_library(request).list, query)
    return reply_private_list(request, ListOut[MediaOut], page, query)


@router.get("/v1/media/{media}", summary="Get a picture", response_model=MediaOut)
async def get_media(request: Request, media: str, query: ReadParameters, actor: DraftReader) -> Response:
    """Return a picture."""
    library = _library(request)
    return await responses.reply_row(request, library.find, media, MediaOut, query, present=library.present)


@router.get("/v1/media/{media}/uses", summary="List the uses of a picture", response_model=MediaUsesOut)
async def list_media_uses(request: Request, media: str, query: ReadParameters, actor: DraftReader) -> Response:
    """List what uses a picture, without articles that the caller may not read; while it is used, it is not deleted."""
    articles = PublicationServices.of(request).notice_articles
    uses = await database(request).read(_library(request).list_uses, actor, articles, media)
    return reply_private(request, MediaUsesOut, uses, query)


@router.get(
    "/v1/media/{media}/original",
    summary="Download the original of a picture",
    response_class=Response,
    responses=_describe_file("The file as it was sent."),
)
async def get_original(request: Request, media: str, actor: DraftReader) -> Response:
    """Return the file as it was sent, with all its metadata."""
    original = await database(request).read(media_library.find_original, media)
    if original is None:
        raise NotFound
    data = await asyncio.to_thread(media_library.load_file, _store(request), str(original["key"]))
    disposition = f'attachment; filename="{media}.{str(original["mime"]).removeprefix("image/")}"'
    headers = {"Cache-Control": PRIVATE_CACHE_CONTROL, "Content-Disposition": disposition}
    return Response(data, 200, headers, str(original["mime"]))


@router.patch("/v1/media/{media}", summary="Change a picture", response_model=MediaOut, responses=UPDATE_RESPONSES)
async def update_media(
    request: Request, media: str, body: MediaPatch, versions: ExpectedVersions, actor: Writer
) -> Response:
    """Update the description of a picture (RFC 7396); the file cannot be changed."""
    show = _library(request).get
    return await write(request, actor, media_library.update_media, media, body, versions, render=show, model=MediaOut)


@router.delete("/v1/media/{media}", summary="Delete a picture", status_code=204, responses=DELETE_RESPONSES)
async def delete_media(request: Request, media: str, versions: ExpectedVersions, actor: Writer) -> Response:
    """Delete a picture and its files; 409 `in_use` while an article or author shows it."""
    keys: list[str] = []

    def delete(session: Session, actor: Actor) -> None:
        keys[:] = media_library.delete_media(session, actor, media, versions, _library(request).uses)

    answer = await write(request, actor, delete, status=204)
    with media_library.storage_problems():
        await PublicationServices.of(request).renditions.delete_files(media)
    if keys:
        orphans = await database(request).read(media_library.list_orphans, keys)
        await asyncio.to_thread(media_library.delete_files, _store(request), orphans)
    return answer


@router.get("/v1/media/{media}/rendition", summary="Sign a rendition of a picture", response_model=RenditionOut)
async def sign_rendition(
    request: Request, media: str, query: Annotated[RenditionQuery, Query()], actor: DraftReader
) -> Response:
    """Return the address of a rendition of any size up to the picture's; with both sides it is cut to their shape."""
    picture = await database(request).read(media_library.find_picture, media)
    if picture is None or not has_renditions(picture):
        raise NotFound
    spec = fit_spec(picture, query.width, query.height)
    rendition = present_rendition(picture, settings(request).media_base, spec.name, spec, query.format)
    return reply_private(request, RenditionOut, rendition, query)


@router.post("/v1/media/uploads", summary="Begin an upload", status_code=201, response_model=UploadOut)
async def begin_upload(request: Request, body: UploadIn, actor: Writer) -> Response:
    """Begin an upload: send the file by PUT to the address in the answer, then finish the upload."""
    max_bytes = settings(request).max_media_size
    if body.bytes > max_bytes:
        raise BodyTooLarge(f"A file may have {max_bytes:,} bytes at most.")
    upload_id, token, api = new_id(), uploads.make_token(), settings(request).api
    url = await asyncio.to_thread(uploads.sign_address, _store(request), upload_id, token, body.bytes, api)

    def show(connection: sa.Connection, begun: str) -> JsonObject:
        row = uploads.find_upload(connection, begun)
        assert row is not None, "the upload was begun"
        headers = {"Content-Length": str(row["bytes"])}
        return {"id": begun, "method": "PUT", "url": url, "headers": headers, "expires_at": row["expires_at"]}

    return await write(
        request, actor, uploads.begin_upload, upload_id, token, body, render=show, model=UploadOut, status=201
    )


@router.put(
    "/v1/media/uploads/{upload}/file",
    summary="Send the file of an upload",
    status_code=204,
    max_body_size=MAX_UPLOAD_BYTES,
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": _BINARY}}}},
    responses=document_problems(BodyTooLarge, media_library.ImageRefused, StorageFull),
)
async def send_upload(
    request: Request,
    upload: str,
    actor: Public,
    token: Annotated[str, Query(alias="s", description="Token, as in the address that the answer had.")] = "",
) -> Response:
    """Take the file of an upload, where the media store takes none itself."""
    row = await database(request).read(uploads.get_by_token, upload, token)
    limited = Request(request.scope, _limit_body(request.receive, row["bytes"]))
    await asyncio.to_thread(uploads.receive_file, _store(request), row, await limited.body())
    return Response(status_code=204)


@router.post(
    "/v1/media/uploads/{upload}/finish",
    summary="Finish an upload",
    status_code=201,
    response_model=MediaOut,
    responses=document_problems(
        UnsupportedMediaType, media_library.ImageRefused, StorageFull, uploads.UploadIncomplete
    ),
)
async def finish_upload(request: Request, upload: str, actor: Writer) -> Response:
    """Make a picture of the file that has arrived: of the announced size, and a JPEG, PNG, GIF, WebP or AVIF."""
    row = await database(request).read(uploads.find_upload, upload)
    if row is None:
        raise NotFound
    if row["media_id"] is not None:
        shown = await database(request).read(_library(request).find, row["media_id"])
        return reply_private(request, MediaOut, shown and _library(request).present(shown), ReadQuery())
    data = await asyncio.to_thread(uploads.load_upload, _store(request), row)
    try:
        picture = await _process(request, data)
    except Problem:
        await asyncio.to_thread(uploads.discard_file, _store(request), upload)
        raise
    answer = await _store_picture(request, actor, picture, uploads.finish_upload, upload, picture)
    await asyncio.to_thread(uploads.discard_file, _store(request), upload)
    return answer


@router.get(
    MEDIA_PATH + "{media:uuid}/{size}.{ending}",
    summary="Get a rendition of a picture",
    response_class=Response,
    responses=_describe_file("The rendition.") | document_problems(Forbidden),
)
async def get_rendition(
    request: Request,
    media: UUID,
    size: str,
    ending: str,
    actor: ThirdParty,
    signature: Annotated[str, Query(alias="s", description="Signature, as in the address that an answer has.")] = "",
    focus: Annotated[str | None, Query(alias="f", description="What a crop keeps in view, in thousandths.")] = None,
) -> Response:
    """Return a rendition of a picture, which is made at the first request. Other addresses than signed ones get 403."""
    picture = await database(request).read(media_library.find_picture, str(media))
    if picture is None or not has_renditions(picture) or ending not in FORMS:
        raise NotFound
    spec = parse_spec(size, focus)
    if spec is None or not spec.is_signed(picture, signature):
        raise Forbidden("The address of this rendition is not signed, or was changed. Use the one of the picture.")
    headers = {
        "Cache-Control": IMMUTABLE,
        "Content-Security-Policy": "default-src 'none'",
        "ETag": f'"{signature}{ending}"',
    }
    if etag.matches_etag(request.headers.get("if-none-match", ""), f"{signature}{ending}"):
        return Response(status_code=304, headers=headers)
    with media_library.storage_problems():
        data = await PublicationServices.of(request).renditions.get_file(picture, spec, ending)
    return Response(data, 200, headers, MIME_TYPES[ending])


@router.get(
    MEDIA_PATH + "{key:path}",
    summary="Get the file of a picture",
    response_class=Response,
    responses=_describe_file("The file."),
)
async def get_media_file(request: Request, key: str, actor: ThirdParty) -> Response:
    """Return the file of a picture or of one of its renditions, which never changes."""
    match = _FILE_KEY.fullmatch(key)
    if match is None:
        raise NotFound
    headers = {"Cache-Control": IMMUTABLE, "Content-Security-Policy": "default-src 'none'", "ETag": f'"{match[1]}"'}
    if etag.matches_etag(request.headers.get("if-none-match", ""), match[1]):
        return Response(status_code=304, headers=headers)
    data = await asyncio.to_thread(media_library.load_file, _store(request), key)
    return Response(data, 200, headers, MIME_TYPES[match[2]])

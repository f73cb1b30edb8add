"""Responses to reads, with the same caching headers, validators and compression for every resource."""

import gzip
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Required, TypedDict, Unpack, cast
from urllib.parse import quote

import brotli
import pydantic_core
import zstandard
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from app.core.problems import NotFound
from app.core.settings import Settings
from app.db import Database, QueryProcesses
from app.db.columns import Row
from app.db.rows import JsonObject
from app.web import etag
from app.web.fields import FieldTree, dump_json, parse_fields, parse_row_fields, pick_fields
from app.web.freshness import format_http_date, parse_http_date
from app.web.keeping import PLAIN_BODY, SEEN_AS
from app.web.offload import Offload
from app.web.paging import ReadQuery
from app.web.services import PREVIEW, WebServices

MIN_COMPRESSED_BYTES = 800  # smaller bodies gain nothing
PUBLIC_CACHE_CONTROL = "public, max-age=10, stale-while-revalidate=30"
PRIVATE_CACHE_CONTROL = "private, no-store"
REDIRECT_CACHE_CONTROL = "public, max-age=300"
JSON_TYPE = "application/json"
_PRINTABLE_ASCII = "".join(map(chr, range(0x20, 0x7F)))
_MEDIA_RANGE = re.compile(r"\s*([\w!#$&^.+-]+|\*)/([\w!#$&^.+-]+|\*)\s*(?:;.*)?")
_QUALITY = re.compile(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)")
_CODING = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([\d.]+))?\s*")


def database(request: Request) -> Database:
    """Return the database of the running app."""
    return WebServices.of(request).database


def aside(request: Request) -> QueryProcesses:
    """Return the query processes of the running app."""
    return WebServices.of(request).query_processes


def offload(request: Request) -> Offload:
    """Return the service that processes long texts outside of the event loop."""
    return WebServices.of(request).offload


def settings(request: Request) -> Settings:
    """Return the settings of the running app."""
    return WebServices.of(request).settings


@lru_cache(128)  # few, because the header may be long
def negotiate_media_type(accept: str, offered: tuple[str, ...]) -> str:
    """Return the media type that the client prefers (RFC 9110 §12.5.1), by default the first."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        if media_range := _MEDIA_RANGE.fullmatch(part):
            weight = _QUALITY.search(part)
            weights[f"{media_range[1]}/{media_range[2]}"] = float(weight[1]) if weight else 1.0

    def quality_of(media_type: str) -> float:
        ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        return next((weights[name] for name in ranges if name in weights), 0.0)  # the most specific range decides

    return max(offered, key=quality_of)


def negotiate_coding(accept: str) -> str | None:
    """Return the content coding that the client prefers (RFC 9110 §12.5.3), by default zstd; or None."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        if match := _CODING.fullmatch(part):
            try:
                weights[match[1]] = float(match[2] or 1)
            except ValueError:
                continue  # an invalid weight: the coding is not used
    default = weights.get("*", 0.0)
    best = max(("zstd", "br", "gzip"), key=lambda name: weights.get(name, default))
    weight = weights.get(best, default)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else None


def compress(body: bytes, coding: str) -> bytes:
    """Compress a body for a coding that `negotiate_coding` returned."""
    if coding == "zstd":
        return zstandard.compress(body, 3)
    if coding == "br":
        return cast(bytes, brotli.compress(body, quality=4))
    return gzip.compress(body, 5, mtime=0)


@lru_cache(16)
def _compress_cached(body: bytes, coding: str) -> bytes:
    return compress(body, coding)


def decompress(body: bytes, coding: str) -> bytes:
    """Return what `compress` was given."""
    if coding == "zstd":
        return zstandard.decompress(body)
    return cast(bytes, brotli.decompress(body)) if coding == "br" else gzip.decompress(body)


def _group_headers(groups: Sequence[str]) -> dict[str, str]:
    """Return the headers with cache groups for several kinds of CDN, and that of RFC 9875."""
    return {
        "Cache-Tag": ",".join(groups),
        "Surrogate-Key": " ".join(groups),
        "Cache-Groups": '"' + '", "'.join(groups) + '"' if groups else "",
    }


def _find_header(scope: Scope, name: bytes) -> str | None:
    """Find a request header; Starlette's mapping would raise and catch an exception for each missing one."""
    for key, value in scope["headers"]:
        if key == name:
            return cast(bytes, value).decode("latin-1")
    return None


def _check_last_modified(request: Request, tag: str, media_type: str) -> tuple[str, bool]:
    """Return `Last-Modified`, and whether `If-Modified-Since` says that the client has the current response."""
    scope = request.scope
    address = f"{scope['path']}?{scope['query_string'].decode('latin-1')} {media_type}"
    since, second = WebServices.of(request).freshness.note(address, tag)
    scope.setdefault("state", {})[SEEN_AS] = (address, tag, since)
    header = _find_header(scope, b"if-modified-since")
    client_date = parse_http_date(header) if header else None
    return format_http_date(min(since, second)), client_date is not None and since <= client_date <= second


def fill_path(template: str, row: Row) -> str:
    """Fill a template of a path with the values of a row, percent-encoded (RFC 3986)."""
    return template.format_map(_PathValues(row))


class _PathValues(dict[str, str]):
    """The values of a row as path segments."""

    def __init__(self, row: Row) -> None:
        self.row = row

    def __missing__(self, name: str) -> str:
        return quote(str(self.row[name]), safe="")


def encode_header_value(text: str) -> str:
    """Percent-encode everything but printable ASCII in a header value, which may contain URLs."""
    return text if text.isascii() and text.isprintable() else quote(text, safe=_PRINTABLE_ASCII)


def reply(
    request: Request,
    body: bytes,
    *,
    groups: Iterable[str],
    version: int | None = None,
    private: bool = False,
    links: Mapping[str, str] | None = None,
    media_type: str = JSON_TYPE,
    static: bool = False,
) -> Response:
    """Reply with 200 and a strong ETag, or with 304; caches may store it unless it is private.

    `links` maps relations to targets (RFC 8288). A `static` body stays the same while the process runs, and is
    compressed once. `If-Modified-Since` is ignored with `If-None-Match` (RFC 9110 §13.2.2).
    """
    tag, private = etag.make_etag(body, version), private or PREVIEW in request.scope
    headers = {
        "Cache-Control": PRIVATE_CACHE_CONTROL if private else PUBLIC_CACHE_CONTROL,
        "Vary": "Accept, Accept-Encoding, Authorization, Origin",
    }
    is_unmodified = False
    if not private:
        headers |= _group_headers(list(groups))
        headers["Last-Modified"], is_unmodified = _check_last_modified(request, tag, media_type)
    if links:
        headers["Link"] = ", ".join(
            f'<{encode_header_value(target)}>; rel="{relation}"' for relation, target in links.items()
        )
    accept = _find_header(request.scope, b"accept-encoding")
    coding = negotiate_coding(accept) if accept and len(body) >= MIN_COMPRESSED_BYTES else None
    headers["ETag"] = f'"{tag}-{coding}"' if coding else f'"{tag}"'
    if_none_match = _find_header(request.scope, b"if-none-match")
    if etag.matches_etag(if_none_match, tag) if if_none_match is not None else is_unmodified:
        return Response(status_code=304, headers=headers)
    if coding:
        request.scope.setdefault("state", {})[PLAIN_BODY] = body
        body = _compress_cached(body, coding) if static else compress(body, coding)
        headers["Content-Encoding"] = coding
    return Response(body, 200, headers, media_type)


def redirect(request: Request, location: str, groups: Iterable[str]) -> Response:
    """Redirect with 301 to another path of this server, with the query of the request."""
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {"Cache-Control": REDIRECT_CACHE_CONTROL, **_group_headers(list(groups))}
    return RedirectResponse(f"{quote(location)}{query}", 301, headers)


def page_links(request: Request, page: Mapping[str, object]) -> dict[str, str] | None:
    """Return the links of a page of a list: the next page and the one before, as far as there are any."""
    # Relative to the requested URL: `Host` comes from the client and must not get into a cached response.
    cursors = {relation: cursor for relation in ("prev", "next") if (cursor := page.get(relation)) is not None}
    if not cursors:
        return None
    parts = request.scope["query_string"].decode("latin-1").split("&")
    kept = [
        quote(part, safe="%=+,.-_~:*/@!$'()", encoding="latin-1")
        for part in parts
        if part and not part.startswith("cursor=")
    ]
    path = quote(request.scope["path"])
    return {relation: f"{path}?{'&'.join([*kept, f'cursor={cursor}'])}" for relation, cursor in cursors.items()}


class ReplyOptions(TypedDict, total=False):
    """The arguments of `reply` that the functions for lists pass on."""

    groups: Required[Iterable[str]]
    version: int | None
    private: bool


def reply_rendered(
    request: Request, body: bytes, page: Mapping[str, object], **options: Unpack[ReplyOptions]
) -> Response:
    """Reply with a page of a list that is JSON already, with links to the next one and the one before."""
    return reply(request, body, links=page_links(request, page), **options)


def reply_list(
    request: Request,
    model: type[BaseModel],
    page: Mapping[str, object],
    fields: FieldTree | None,
    **options: Unpack[ReplyOptions],
) -> Response:
    """Reply with a page of a list, with a link to the next one; `fields` selects those of each row."""
    include: FieldTree | None = {"data": {"__all__": fields}, "page": True} if fields else None
    return reply_rendered(request, dump_json(model, page, include), cast(JsonObject, page["page"]), **options)


def reply_private(
    request: Request,
    model: type[BaseModel],
    row: Mapping[str, object] | None,
    query: ReadQuery,
    *,
    versioned: bool = False,
) -> Response:
    """Reply with the selected fields of a row that not everybody may see, for the caller alone; 404 without a row.

    The ETag of a `versioned` row carries its version, which writes require.
    """
    if row is None:
        raise NotFound
    body, version = dump_json(model, row, parse_fields(model, query.fields)), row["version"] if versioned else None
    return reply(request, body, groups=(), version=cast("int | None", version), private=True)


def reply_private_list(
    request: Request, model: type[BaseModel], page: Mapping[str, object], query: ReadQuery
) -> Response:
    """Reply like `reply_list` with rows that not everybody may see, for the caller alone."""
    return reply_list(request, model, page, parse_row_fields(model, query.fields), groups=(), private=True)


def reply_page(
    request: Request, page: Mapping[str, object], fields: FieldTree | None, **options: Unpack[ReplyOptions]
) -> Response:
    """Reply like `reply_list` with rows that have the form of their public model already.

    They are not validated, which would take longer than writing them.
    """
    include: FieldTree = {"data": {"__all__": fields}, "page": True} if fields else {}
    body = pydantic_core.to_json(pick_fields(page, include) if fields else page)
    return reply_rendered(request, body, cast(JsonObject, page["page"]), **options)

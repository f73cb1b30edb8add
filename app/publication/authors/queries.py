"""Reading authors."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.identity.keys.queries import reserved
from app.kit.db.prepared import Prepared
from app.kit.names import is_office
from app.kit.schema import table_of
from app.kit.text import skeleton, skeletons
from app.publication import queries
from app.publication.authors.tables import Author
from app.publication.media.schemas import public
from app.publication.media.tables import Media
from app.publication.schemas import TERM_SORTS, TermQuery

_AUTHOR, _MEDIA = table_of(Author), table_of(Media)
_IMAGE = [column.label(f"picture_{column.key}") for column in _MEDIA.c]
ALL = sa.select(_AUTHOR, *_IMAGE).select_from(_AUTHOR.outerjoin(_MEDIA, _MEDIA.c.id == _AUTHOR.c.image_id))

_LOOKS = [sa.bindparam(name, type_=sa.String()) for name in "abc"]
_STAFF = Prepared(sa.select(sa.exists().where(_AUTHOR.c.skeleton.in_(_LOOKS)) | reserved()))


def by_ref(connection: sa.Connection, ref: str) -> sa.RowMapping | None:
    """One author by id or slug, or None."""
    return queries.by_ref(connection, ALL, ref)


def present(row: Mapping[Any, Any], api: str) -> dict[str, Any]:
    """A row in the shape of `AuthorOut`, files at the address of this API."""
    image = {column.key: row[f"picture_{column.key}"] for column in _MEDIA.c}
    return {**row, "image": public(image, api) if row["image_id"] else None}


def shown(connection: sa.Connection, author_id: str, api: str) -> dict[str, Any]:
    """An author who was just written, in the shape of `AuthorOut`."""
    return present(connection.execute(ALL.where(_AUTHOR.c.id == author_id)).mappings().one(), api)


def is_staff_name(store: sa.Connection | Session, name: str, site_name: str = "") -> bool:
    """Whether a name looks like that of an author, a key that works, an office or the publication.

    Keys are named after who works with them. One statement over two indexes.
    """
    looks = skeletons(name)
    if looks[0] == "":
        return False
    if skeleton(site_name) in looks or is_office(name):
        return True
    return bool(_STAFF.one(store, dict(zip("abc", looks, strict=True)))[0])


def page(connection: sa.Connection, asked: TermQuery, api: str) -> dict[str, Any]:
    """A page of authors."""
    found = queries.page(connection, ALL, TERM_SORTS[asked.sort], asked)
    return {**found, "data": [present(row, api) for row in found["data"]]}

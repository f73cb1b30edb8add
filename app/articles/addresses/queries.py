"""Finding articles by addresses they had, and telling a site what stands at a path."""

from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from app.articles.addresses.schemas import Site, article_number, numbered_address
from app.articles.addresses.tables import Address
from app.articles.queries import A, by_ref, present
from app.kit.ids import is_id
from app.kit.problems import NotFound
from app.kit.schema import table_of

NOTHING = "Nothing stands at this path."
_ADDRESS = table_of(Address)
_LEADS_TO = (
    sa.select(A.c.slug, A.c.public, A.c.state, A.c.section_id)
    .join(_ADDRESS, _ADDRESS.c.article_id == A.c.id)
    .where(_ADDRESS.c.address == sa.bindparam("address", type_=sa.String()))
)


def leads_to(connection: sa.Connection, address: str) -> sa.RowMapping | None:
    """The article that a former slug or path leads to: its slug, and what its visibility hangs on."""
    return connection.execute(_LEADS_TO, {"address": address}).mappings().first()


def _path_on(address: str, site: Site) -> str:
    """The path of an address of the site, whether it names http or https; 404 for addresses of other sites."""
    if address.startswith("/"):
        return address
    _, _, rest = address.partition("://")
    _, _, own = site.url.partition("://")
    host, slash, path = rest.partition("/")
    if own.partition("/")[0].lower() != host.partition("?")[0].lower():
        raise NotFound(NOTHING)
    return f"/{path}" if slash else f"/{host[len(host.partition('?')[0]) :]}"


def resolve(connection: sa.Connection, path: str, site: Site) -> dict[str, Any]:
    """What the publication's site should answer at a path, as `ResolvedOut` has it; 404 for what nobody may see.

    An article that stands there now comes first, then one that had just this path, then one of that slug elsewhere.
    Of a query only the number of an article counts, as WordPress has it in short links and plain permalinks.
    """
    place, _, query = _path_on(path, site).partition("#")[0].partition("?")
    wanted = unquote(place).rstrip("/") or "/"
    slug = wanted.rpartition("/")[2]
    number = article_number(query)
    numbered = leads_to(connection, numbered_address(wanted, number)) if number else None
    if numbered:
        slug = numbered["slug"]
    row = by_ref(connection, slug) if slug and len(slug) <= 200 and slug.isprintable() and not is_id(slug) else None
    if not numbered and (row is None or present(row, site)["url"] != site.url + wanted):
        former = leads_to(connection, wanted) or (leads_to(connection, slug) if row is None else None)
        row = by_ref(connection, former["slug"]) if former else row
    if row is None:
        raise NotFound(NOTHING)
    if row["state"] == "retracted":
        legal, reason = row["retraction"]["legal"], row["retraction"]["reason"]
        return {"status": 451 if legal else 410, "reason": reason}
    if not row["public"]:
        raise NotFound(NOTHING)
    article = present(row, site)
    if article["url"] == site.url + wanted:
        return {"status": 200, "article": article}
    return {"status": 301, "location": article["url"]}

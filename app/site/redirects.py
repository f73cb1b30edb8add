"""Redirects of the site: saving, listing, importing, and following them to their end."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, TypedDict, cast
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from pydantic import ValidationError
from sqlmodel import Session, select

from app.articles.tables import SITE_ID
from app.core.clock import format_rfc3339, now
from app.core.ids import new_id
from app.core.problems import Conflict, Invalid, NotFound
from app.db.columns import table_of
from app.db.rows import JsonObject, fetch_row, get_row, lock_row
from app.events.catalog import RedirectsChanged
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.site import Site
from app.publication.terms import require_all_sections, take_name_lock
from app.site.schemas import RedirectIn, RedirectPatch, RedirectQuery
from app.site.tables import Redirect
from app.text.inputs import is_http_url, to_nfc
from app.web import etag
from app.web.paging import Page, Sort, fetch_page

REDIRECT = table_of(Redirect)
MAX_REDIRECTS: Final = 100_000
MAX_IMPORTED_ROWS: Final = 20_000
MAX_HOPS: Final = 10  # of redirects that lead to one another; an answer names the last of them
MAX_SEGMENTS: Final = 40  # of a path that prefixes are looked up for
ALL_BELOW: Final = "/*"
BY_SOURCE = Sort("source", kind=str)
_BY_ID = sa.select(REDIRECT).where(REDIRECT.c.id == sa.bindparam("id", type_=REDIRECT.c.id.type))
_COLUMNS = ("source", "target", "status")


class SourceTaken(Conflict, code="source_taken", title="Another redirect has this source"):
    """Another redirect has this source. Change that one."""


class TooManyRedirects(Conflict, code="too_many_redirects", title="There are too many redirects"):
    """The publication has reached the maximum number of redirects."""


class RedirectRow(TypedDict):
    """A redirect as it is stored."""

    id: str
    source: str
    target: str | None
    status: int
    version: int
    created_at: datetime
    updated_at: datetime


class Rule(NamedTuple):
    """What following a redirect needs of it."""

    source: str
    target: str | None
    status: int


# ---- addresses


def parse_address(address: str, site: Site) -> tuple[str, str] | None:
    """Return the decoded path and the query of a path or URL of the site; None for URLs of other sites.

    The path has no slash at its end; that of the site's home is `/`.
    """
    if not address.startswith("/"):
        try:
            parts, own = urlsplit(address), urlsplit(site.url)
        except ValueError:
            return None
        is_inside = parts.path == own.path or parts.path.startswith(f"{own.path}/")
        if parts.scheme.lower() not in ("http", "https") or parts.netloc.lower() != own.netloc.lower() or not is_inside:
            return None
        address = (parts.path[len(own.path) :] or "/") + (f"?{parts.query}" if parts.query else "")
    place, _, query = address.partition("#")[0].partition("?")
    return to_nfc(unquote(place)).rstrip("/") or "/", query


def list_sources(path: str, query: str) -> list[str]:
    """List the sources of redirects that apply to a path, the most exact first."""
    segments = path.strip("/").split("/")[:MAX_SEGMENTS]  # of which `/old/*` needs one below
    below = ["/" + "/".join((*segments[:length], "*")) for length in range(len(segments) - 1, -1, -1)]
    return [*([f"{path}?{query}"] if query else []), path, *below]


def apply_rule(rule: Rule, path: str) -> str:
    """Return the target of a redirect that is not 410, with the rest of the path where both end with `/*`."""
    target = str(rule.target)
    if rule.source.endswith(ALL_BELOW) and target.endswith(ALL_BELOW):
        rest = path[len(rule.source) - 1 :].lstrip("/")  # `//host` would lead front ends that take the path elsewhere
        return target.removesuffix("*") + rest
    return target


def _normalise_source(source: str, site: Site, pointer: str) -> str:
    """Return a source as it is stored; 422 for an address of another site or one that cannot be."""
    parsed = parse_address(source, site)
    if parsed is None or not parsed[0].isprintable() or len(parsed[0]) + len(parsed[1]) > 499:
        raise Invalid("Send a path of the site that starts with /, or a full URL of it.", pointer=pointer)
    path, query = parsed
    if "*" in path.removesuffix(ALL_BELOW) or (query and path.endswith(ALL_BELOW)):
        raise Invalid("`*` may only stand alone at the end of a path, as in `/old/*`.", pointer=pointer)
    return f"{path}?{query}" if query else path


def _check_target(rule: Rule, site: Site, pointer: str) -> None:
    """Raise 422 for a target that does not fit the status, or that is no address."""
    target = rule.target
    if (rule.status == 410) is not (target is None):
        raise Invalid("Send a target with 301 and 302, and none with 410.", pointer=pointer, code="one_of")
    if target is None:
        return
    is_path = target.startswith("/") and not target.startswith(("//", "/\\")) and is_http_url(f"https://site{target}")
    if not is_path and not is_http_url(target):
        raise Invalid("Send a path that starts with /, or an http or https URL.", pointer=pointer)
    if target.endswith(ALL_BELOW) and not rule.source.endswith(ALL_BELOW):
        raise Invalid("The target may end with `/*` only if the source does.", pointer=pointer)
    below = parse_address(target, site)
    if rule.source.endswith(ALL_BELOW) and below and below[0].startswith(rule.source.removesuffix("*")):
        raise Invalid("The target lies below the source, which would redirect it again.", pointer=pointer, code="loop")


FindRules = Callable[[Sequence[str]], Mapping[str, Rule]]
"""Returns redirects by their sources."""


def _check_loop(rule: Rule, site: Site, find: FindRules, pointer: str) -> None:
    """Raise 422 if a redirect leads back to itself, or by more than `MAX_HOPS` others."""
    path = rule.source.partition("?")[0].replace(ALL_BELOW, "/-")
    followed: Rule | None = rule
    for _ in range(MAX_HOPS + 1):
        if followed is None or followed.target is None:
            return
        address = parse_address(apply_rule(followed, path), site)
        if address is None:
            return
        path, query = address
        sources = list_sources(path, query)
        rules = {**find(sources), rule.source: rule}
        followed = next((rules[source] for source in sources if source in rules), None)
        if followed == rule:
            raise Invalid("This redirect would lead back to itself.", pointer=pointer, code="loop")
    raise Invalid(f"This redirect leads to more than {MAX_HOPS} others.", pointer=pointer, code="loop")


def _find_rules(session: Session) -> FindRules:
    """Return a function that looks redirects up in the store."""

    def find(sources: Sequence[str]) -> dict[str, Rule]:
        query = sa.select(REDIRECT.c.source, REDIRECT.c.target, REDIRECT.c.status).where(REDIRECT.c.source.in_(sources))
        return {row.source: Rule(*row) for row in session.execute(query)}

    return find


# ---- reading


def find_redirect(connection: sa.Connection, redirect_id: str) -> RedirectRow | None:
    """Find a redirect by its id."""
    return fetch_row(connection, _BY_ID, RedirectRow, {"id": redirect_id})


def get_redirect(connection: sa.Connection, redirect_id: str) -> RedirectRow:
    """Return a redirect that exists."""
    return get_row(connection, _BY_ID, RedirectRow, {"id": redirect_id})


def list_redirects(connection: sa.Connection, query: RedirectQuery) -> Page[RedirectRow]:
    """List redirects by their sources."""
    statement = sa.select(REDIRECT)
    if query.q is not None:
        statement = statement.where(REDIRECT.c.source.startswith(query.q, autoescape=True))
    return fetch_page(connection, statement, BY_SOURCE, REDIRECT.c.source, query, RedirectRow)


def export_csv(connection: sa.Connection) -> bytes:
    """Write all redirects as CSV (RFC 4180), by their sources."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    columns = (REDIRECT.c[name] for name in _COLUMNS)
    for row in connection.execute(sa.select(*columns).order_by(REDIRECT.c.source)):
        writer.writerow(["" if value is None else value for value in row])
    return file.getvalue().encode()


# ---- writing


def preview_rule(row: RedirectRow | None, data: RedirectIn | RedirectPatch, site: Site) -> Rule:
    """Return a new redirect, or a changed one, as it would be stored; 422 if it could not be."""
    sent = data.model_fields_set
    source = row["source"] if row and "source" not in sent else _normalise_source(data.source, site, "/source")
    target = row["target"] if row and "target" not in sent else data.target
    rule = Rule(source, target, row["status"] if row and "status" not in sent else data.status)
    _check_target(rule, site, "/target")
    return rule


def _announce(session: Session, number: int) -> None:
    if number:
        emit(session, RedirectsChanged(subject_id=SITE_ID, redirects=number))


def create_redirect(session: Session, actor: Actor, data: RedirectIn, site: Site) -> str:
    """Create a redirect and return its id; 409 if its source has one, 422 if it would lead back to itself."""
    require_all_sections(actor, "content:publish")
    take_name_lock(session, "redirects")
    rule = Rule(_normalise_source(data.source, site, "/source"), data.target, data.status)
    _check_target(rule, site, "/target")
    if session.execute(sa.select(REDIRECT.c.id).where(REDIRECT.c.source == rule.source)).first():
        raise SourceTaken
    if session.execute(sa.select(sa.func.count()).select_from(REDIRECT)).scalar_one() >= MAX_REDIRECTS:
        raise TooManyRedirects
    _check_loop(rule, site, _find_rules(session), "/target")
    row = _insert(session, rule)
    _announce(session, 1)
    record_action(session, actor, "redirect.create", "redirect", row.id, {"source": rule.source})
    return row.id


def _insert(session: Session, rule: Rule) -> Redirect:
    moment = now()
    row = Redirect(id=new_id(), **rule._asdict(), created_at=moment, updated_at=moment)
    session.add(row)
    return row


def update_redirect(
    session: Session, actor: Actor, redirect_id: str, data: RedirectPatch, versions: frozenset[int] | None, site: Site
) -> str:
    """Change a redirect and return its id."""
    require_all_sections(actor, "content:publish")
    take_name_lock(session, "redirects")
    row = lock_row(session, Redirect, redirect_id)
    values = data.model_dump(exclude_unset=True)
    if "source" in values:
        values["source"] = _normalise_source(data.source, site, "/source")
    rule = Rule(*(values.get(name, getattr(row, name)) for name in _COLUMNS))
    differing = [name for name, value in rule._asdict().items() if getattr(row, name) != value]
    etag.check_version(row.version, versions, differing)
    if not differing:
        return row.id
    _check_target(rule, site, "/target")
    taken = sa.select(REDIRECT.c.id).where(REDIRECT.c.source == rule.source, REDIRECT.c.id != row.id)
    if session.execute(taken).first():
        raise SourceTaken
    find, former = _find_rules(session), row.source
    _check_loop(rule, site, lambda sources: find([each for each in sources if each != former]), "/target")
    row.sqlmodel_update(rule._asdict())
    row.version, row.updated_at = row.version + 1, now()
    _announce(session, 1)
    record_action(session, actor, "redirect.change", "redirect", row.id, {"fields": differing})
    return row.id


def delete_redirect(session: Session, actor: Actor, redirect_id: str, versions: frozenset[int] | None) -> None:
    """Delete a redirect."""
    require_all_sections(actor, "content:publish")
    row = lock_row(session, Redirect, redirect_id)
    etag.check_version(row.version, versions)
    session.delete(row)
    _announce(session, 1)
    record_action(session, actor, "redirect.delete", "redirect", row.id, {"source": row.source})


class RedirectState(TypedDict):
    """The columns of a redirect, to put back later; times are RFC 3339."""

    source: str
    target: str | None
    status: int
    version: int
    created_at: str
    updated_at: str


def get_redirect_state(session: Session, redirect_id: str) -> RedirectState | None:
    """Return the columns of a redirect, locked until the transaction ends; None without one."""
    row = session.get(Redirect, redirect_id, with_for_update=True)
    if row is None:
        return None
    return {
        "source": row.source,
        "target": row.target,
        "status": row.status,
        "version": row.version,
        "created_at": format_rfc3339(row.created_at),
        "updated_at": format_rfc3339(row.updated_at),
    }


def restore_redirect(session: Session, actor: Actor, redirect_id: str, state: RedirectState | None, site: Site) -> None:
    """Put a redirect back into a former state: change it, create it again, or delete it."""
    require_all_sections(actor, "content:publish")
    take_name_lock(session, "redirects")
    row = session.get(Redirect, redirect_id, with_for_update=True)
    if state is None:
        if row is None:
            raise NotFound
        session.delete(row)
    else:
        rule = Rule(state["source"], state["target"], state["status"])
        taken = sa.select(REDIRECT.c.id).where(REDIRECT.c.source == rule.source, REDIRECT.c.id != redirect_id)
        if session.execute(taken).first():
            raise SourceTaken
        _check_loop(rule, site, _find_rules(session), "/target")
        session.merge(
            Redirect(
                id=redirect_id,
                source=state["source"],
                target=state["target"],
                status=state["status"],
                version=(row.version if row is not None else state["version"]) + 1,
                created_at=datetime.fromisoformat(state["created_at"]),
                updated_at=datetime.fromisoformat(state["updated_at"]),
            )
        )
    _announce(session, 1)
    record_action(session, actor, "redirect.restore", "redirect", redirect_id, {})


class Imported(TypedDict):
    """What an import did, as `RedirectsImported`."""

    created: int
    changed: int
    unchanged: int


def parse_csv(content: bytes, site: Site) -> dict[str, Rule]:
    """Read redirects from CSV with the columns source, target and status; 422 with the lines that are invalid."""
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid("Send CSV in UTF-8 (RFC 4180) with the columns source, target, status.", pointer="") from error
    rules: dict[str, Rule] = {}
    errors: list[JsonObject] = []
    for number, cells in _iterate_rows(lines):
        try:
            rule = _parse_row(cells, site)
            if rule.source in rules:
                raise Invalid("Another line has this source.", pointer="", code="duplicate")
            rules[rule.source] = rule
        except Invalid as error:
            errors.append({"pointer": f"/{number}", "code": error.code, "detail": f"Line {number}: {error.detail}"})
    if len(rules) + len(errors) > MAX_IMPORTED_ROWS:
        raise Invalid(f"Send at most {MAX_IMPORTED_ROWS:,} redirects at a time.", pointer="", code="too_long")
    if errors:
        raise Invalid(f"{len(errors):,} lines are invalid; nothing was imported.", errors=errors[:100])
    return rules


def _iterate_rows(lines: Sequence[Sequence[str]]) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the lines that are not empty with their numbers, without a header."""
    for number, cells in enumerate(lines, 1):
        if any(cell.strip() for cell in cells) and not (number == 1 and cells[0].strip().lower() == "source"):
            yield number, cells


def _parse_row(cells: Sequence[str], site: Site) -> Rule:
    source, target, status, *more = (*(cell.strip() for cell in cells), "", "")
    if any(more):
        raise Invalid("A line has the columns source, target and status.", pointer="")
    try:
        default = "301" if target else "410"
        data = RedirectIn.model_validate({"source": source, "target": target or None, "status": int(status or default)})
    except (ValidationError, ValueError) as error:
        raise Invalid("source must be a path, and status 301, 302 or 410.", pointer="") from error
    rule = Rule(_normalise_source(data.source, site, ""), data.target, data.status)
    _check_target(rule, site, "")
    return rule


def import_redirects(session: Session, actor: Actor, rules: Mapping[str, Rule], site: Site) -> Imported:
    """Create or change redirects by their sources, all or none of them; others stay."""
    require_all_sections(actor, "content:publish")
    take_name_lock(session, "redirects")
    stored = {row.source: row for row in session.exec(select(Redirect))}
    if len(stored.keys() | rules.keys()) > MAX_REDIRECTS:
        raise TooManyRedirects
    every = {**{row.source: Rule(row.source, row.target, row.status) for row in stored.values()}, **rules}
    for rule in rules.values():
        _check_loop(rule, site, lambda sources: {each: every[each] for each in sources if each in every}, "/target")
    counts: Imported = {"created": 0, "changed": 0, "unchanged": 0}
    moment = now()
    for source, rule in rules.items():
        row = stored.get(source)
        if row is None:
            _insert(session, rule)
            counts["created"] += 1
        elif (row.target, row.status) != (rule.target, rule.status):
            row.sqlmodel_update({**rule._asdict(), "version": row.version + 1, "updated_at": moment})
            counts["changed"] += 1
        else:
            counts["unchanged"] += 1
    _announce(session, counts["created"] + counts["changed"])
    record_action(session, actor, "redirect.import", "redirect", SITE_ID, cast(JsonObject, counts))
    return counts

"""Reading, creating, changing and deleting the terms of one kind: all that sections, tags, authors and series share."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Generic, TypedDict, TypeVar, cast

import sqlalchemy as sa
from sqlmodel import Session, select

from app.core.clock import now
from app.core.ids import new_id
from app.db.columns import table_of
from app.db.rows import JsonObject, Statement
from app.events.catalog import TermChanged, TermDeleted
from app.events.log import emit
from app.identity.audit import record_action
from app.identity.schemas import Actor
from app.publication.notices import delete_notices_of
from app.publication.references import PLURALS, Kind
from app.publication.schemas import TERM_SORTS, TermIn, TermOut, TermPatch, TermQuery, merge_seo, present_seo
from app.publication.site import Site
from app.publication.tables import FormerSlug, Term
from app.publication.terms import (
    InUse,
    NameTaken,
    SlugTaken,
    delete_row,
    find_term,
    is_merging,
    list_differing,
    lock_term,
    require_all_sections,
    require_terms,
    take_name_lock,
    update_row,
)
from app.text.collation import fold_name, key_bounds
from app.text.inputs import slugify
from app.web import etag
from app.web.paging import Page, Sort, fetch_mappings

T = TypeVar("T", bound=Term)
New = TypeVar("New", bound=TermIn)
Patch = TypeVar("Patch", bound=TermPatch)
_FORMER = table_of(FormerSlug)


class TermRow(TypedDict):
    """The columns that all terms have."""

    id: str
    slug: str
    name: str
    articles: int
    shown: int
    version: int
    created_at: datetime
    updated_at: datetime


class Taxonomy(Generic[T, New, Patch]):
    """The terms of one kind. Subclasses override the methods in which their kind differs."""

    names_are_unique = True

    def __init__(
        self,
        model: type[T],
        new: type[New],
        patch: type[Patch],
        out: type[TermOut],
        changed: type[TermChanged],
        deleted: type[TermDeleted],
        *,
        select_terms: Statement | None = None,
        sorts: Mapping[str, Sort] = TERM_SORTS,
        groups: Sequence[str] = (),
    ) -> None:
        """`new`, `patch` and `out` are the schemas of terms; `groups` the cache groups of other rows that they show."""
        self.model, self.table = model, table_of(model)
        self.new, self.patch, self.out = new, patch, out
        self.kind = cast(Kind, str(model.__tablename__))
        self.plural = PLURALS[self.kind]
        self.sorts, self.groups = sorts, tuple(groups)
        self.select_terms: Statement = sa.select(self.table) if select_terms is None else select_terms
        self.changed, self.deleted = changed, deleted

    # ---- reading

    def present(self, row: Mapping[str, object], site: Site) -> JsonObject:
        """Shape a row of `select_terms` for the API, with its address on the site."""
        return {
            **row,
            "seo": present_seo(row["seo"]),
            "url": site.url_of(self.kind, str(row["slug"]), str(row.get("path", ""))),
        }

    def find(self, connection: sa.Connection, ref: str) -> TermRow | None:
        """Find a term by id or slug."""
        row = find_term(connection, self.select_terms, ref)
        return cast(TermRow, dict(row)) if row is not None else None

    def get(self, connection: sa.Connection, term_id: str, site: Site) -> JsonObject:
        """Return a term by id, in the shape of the API."""
        row = connection.execute(self.select_terms.where(self.table.c.id == term_id)).one()
        return self.present(row._asdict(), site)

    def list_page(self, connection: sa.Connection, query: TermQuery, site: Site) -> Page[JsonObject]:
        """Return a page of terms, in the shape of the API."""
        sort = self.sorts[query.sort]
        column = "name_key" if sort.name == "name" else sort.name.removeprefix("-")
        page = fetch_mappings(connection, self.select_terms, sort, self.select_terms.selected_columns[column], query)
        return {"data": [self.present(row, site) for row in page["data"]], "page": page["page"]}

    # ---- writing

    def require(self, session: Session, ref: str, pointer: str) -> str:
        """Return the id of an existing term, which cannot be deleted before the transaction ends; 422 without one."""
        return require_terms(session, self.model, [ref], pointer)[0]

    def create(self, session: Session, actor: Actor, data: New) -> str:
        """Create a term and return its id; 409 if its slug or name is taken."""
        require_all_sections(actor, "content:write")
        values = self.resolve(session, None, data.model_dump(exclude={"name", "slug"}))
        values["seo"] = merge_seo(None, data.seo.model_dump() if data.seo else None)
        if self.names_are_unique:
            self._require_free_name(session, actor, data.name, values)
        return self.insert(session, actor, data, values).id

    def insert(self, session: Session, actor: Actor, data: New, values: JsonObject) -> T:
        """Insert a term with these values of its further columns."""
        moment = now()
        slug = self._choose_slug(session, data.name, data.slug)
        row = self.model(
            id=new_id(), slug=slug, name=data.name, seo=None, canonical_url=None, created_at=moment, updated_at=moment
        )
        session.add(row.sqlmodel_update(values))
        emit(session, self.changed(subject_id=row.id, slug=row.slug, created=True))
        record_action(session, actor, f"{self.kind}.create", self.kind, row.id, {"slug": row.slug})
        return row

    def update(self, session: Session, actor: Actor, ref: str, data: Patch, versions: frozenset[int] | None) -> str:
        """Change a term and return its id; 412 on another version, 409 if its new slug or name is taken."""
        require_all_sections(actor, "content:write")
        row = lock_term(session, self.model, ref)
        values = self.resolve(session, row, data.model_dump(exclude_unset=True))
        if "seo" in values:
            values["seo"] = merge_seo(row.seo, data.seo.model_dump(exclude_unset=True) if data.seo else None)
        etag.check_version(row.version, versions, list_differing(row, values))
        if self.names_are_unique:
            self._check_new_name(session, actor, row, values)
        shown = self.is_shown(session, row, values)
        self._change_slug(session, row, values)
        if fields := update_row(actor, row, versions, values, shown=shown):
            self.on_updated(session, row, fields)
            emit(session, self.changed(subject_id=row.id, slug=row.slug, created=False))
            record_action(session, actor, f"{self.kind}.change", self.kind, row.id, {"fields": fields})
        return row.id

    def delete(self, session: Session, actor: Actor, ref: str, versions: frozenset[int] | None) -> None:
        """Delete a term and its notices; 409 while anything refers to it, 412 on another version."""
        require_all_sections(actor, "content:write")
        row = lock_term(session, self.model, ref)
        self.check_deletion(actor)
        if is_merging(session, row.id):
            raise InUse("A merge of this term is running. Wait until it is done.")
        delete_row(session, row, versions)
        is_own = (_FORMER.c.kind == self.kind) & (_FORMER.c.target_id == row.id)
        session.execute(sa.delete(_FORMER).where(is_own))
        delete_notices_of(session, self.kind, row.id)
        emit(session, self.deleted(subject_id=row.id, slug=row.slug))
        record_action(session, actor, f"{self.kind}.delete", self.kind, row.id, {"slug": row.slug})

    # ---- what kinds of terms override

    def resolve(self, session: Session, row: T | None, values: JsonObject) -> JsonObject:  # noqa: ARG002
        """Turn the members that were sent into columns; `row` is the term that changes, None for a new one."""
        return values

    def is_shown(self, session: Session, row: T, values: Mapping[str, object]) -> bool:  # noqa: ARG002
        """Whether readers see the term, now or at a set time: changing it then requires `content:publish`."""
        return row.shown > 0

    def on_updated(self, session: Session, row: T, fields: Sequence[str]) -> None:
        """Change what depends on the columns that were updated."""

    def check_deletion(self, actor: Actor) -> None:
        """Raise 403 if the caller may not delete terms of this kind."""

    # ---- slugs and names

    def _is_slug_taken(self, session: Session, slug: str) -> bool:
        take_name_lock(session, f"{self.kind}:{slug}")
        return session.exec(select(self.model.id).where(self.model.slug == slug)).first() is not None

    def _choose_slug(self, session: Session, name: str, slug_sent: str | None) -> str:
        """Return the slug sent, or 409 if it is taken; without one, a free slug generated from the name."""
        if slug_sent is not None:
            if self._is_slug_taken(session, slug_sent):
                raise SlugTaken
            slug = slug_sent
        else:
            base = slug = slugify(name)
            number = 1
            while self._is_slug_taken(session, slug):
                number += 1
                slug = f"{base}-{number}"
        self._delete_former_slug(session, slug)
        return slug

    def _delete_former_slug(self, session: Session, slug: str) -> None:
        """Stop redirecting a slug that is taken by another term."""
        session.execute(sa.delete(_FORMER).where(_FORMER.c.kind == self.kind, _FORMER.c.slug == slug))

    def _change_slug(self, session: Session, row: T, values: Mapping[str, object]) -> None:
        """Make room for a new slug, 409 if it is taken, and redirect the former one."""
        slug = str(values.get("slug", row.slug))
        if slug == row.slug:
            return
        if self._is_slug_taken(session, slug):
            raise SlugTaken
        self._delete_former_slug(session, slug)
        session.add(FormerSlug(kind=self.kind, slug=row.slug, target_id=row.id, created_at=now()))

    def _check_new_name(self, session: Session, actor: Actor, row: T, values: Mapping[str, object]) -> None:
        """Raise 409 if a change gives the term a name that is taken where it will be."""
        name, parent_id = str(values.get("name", row.name)), getattr(row, "parent_id", None)
        place = {"parent_id": values.get("parent_id", parent_id)}
        if fold_name(name) != fold_name(row.name) or place["parent_id"] != parent_id:
            self._require_free_name(session, actor, name, place, own_id=row.id)

    def _require_free_name(
        self, session: Session, actor: Actor, name: str, values: Mapping[str, object], *, own_id: str | None = None
    ) -> None:
        """Raise 409 if a term other than `own_id` has this name; it stays free until the transaction ends.

        Sections are compared with those of the same parent. Imports may repeat names, as their source does.
        """
        if actor.kind == "system":
            return
        folded = fold_name(name)
        take_name_lock(session, f"{self.kind}:name:{folded}")
        columns, (low, high) = self.table.c, key_bounds(name)
        is_alike = (columns.name_key >= low) & (columns.name_key < high)
        alike = sa.select(columns.id, columns.slug, columns.name).where(is_alike)
        if "parent_id" in columns:
            alike = alike.where(columns.parent_id == values["parent_id"])
        for row in session.execute(alike.order_by(columns.id)):
            if row.id != own_id and fold_name(row.name) == folded:
                raise NameTaken(self.kind, row.id, row.slug, row.name)

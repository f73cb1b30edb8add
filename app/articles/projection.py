"""The article's row as a projection of one revision: locking, applying revisions, visibility, counts, events."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, TypedDict

import sqlalchemy as sa
from sqlmodel import Session, select

from app.articles.approval import require_approval
from app.articles.effects import Effects, find_gathered, write_effects
from app.articles.exposure import Exposure, check_exposure, exposure_of, is_article_shown
from app.articles.periods import describe_period
from app.articles.schemas import PAGE_TYPE
from app.articles.tables import TEXT_COLUMNS, Address, Article, ArticleAuthor, ArticleTag, Revision
from app.core.clock import now
from app.core.ids import is_id
from app.core.problems import Conflict, Forbidden, NotFound
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.events.catalog import ArticlePublished, ArticleUnpublished, ArticleUpdated
from app.identity.permissions import OTHER_SECTIONS
from app.identity.schemas import Actor, Scope
from app.publication.section_tree import find_ancestors
from app.publication.tables import Author, Series, Tag, Term
from app.publication.tallies import Kind, ShownKind
from app.publication.terms import find_merge_targets
from app.text.collation import collation_key
from app.web import etag

PROJECTED_COLUMNS = (
    "title dek type language section_id series_id image_id excerpt word_count reading_minutes"  # columns of both tables
).split()
_ADDRESS, _REVISION = table_of(Address), table_of(Revision)


class _Link(TypedDict):
    term_id: str


def _select_linked(column: sa.Column[str]) -> Prepared[_Link]:
    links = column.table.c
    is_own = links.article_id == sa.bindparam("article", type_=links.article_id.type)
    return Prepared(sa.select(column.label("term_id")).where(is_own).order_by(links.position))


_LINKED: dict[type[ArticleAuthor] | type[ArticleTag], sa.Column[str]] = {
    ArticleAuthor: table_of(ArticleAuthor).c.author_id,
    ArticleTag: table_of(ArticleTag).c.tag_id,
}
_SELECT_LINKED: dict[type[ArticleAuthor] | type[ArticleTag], Prepared[_Link]] = {
    model: _select_linked(column) for model, column in _LINKED.items()
}


class IndexArticle(Protocol):
    """Updates the full-text index to what readers see of an article; implemented by the room `search`.

    It is called in the transaction that changes what they see.
    """

    def __call__(self, session: Session, article: Article, /) -> None: ...


class WrongState(Conflict, code="wrong_state", title="The article's state does not allow this"):
    """The article's state does not allow this."""


_COUNTED: tuple[Kind, ...] = ("section", "series", "author", "tag")
_NONE = frozenset[str]()


class ArticleSnapshot(NamedTuple):
    """An article before or after a change: the terms that count it, those that it is shown with, and its exposure."""

    public: bool
    section: frozenset[str]
    series: frozenset[str]
    author: frozenset[str]
    tag: frozenset[str]
    shown_with: dict[ShownKind, frozenset[str]]  # empty unless readers see the article now or at a set time
    listed_with: dict[ShownKind, frozenset[str]]  # those, or the terms of a retracted article, whose feeds name it
    revision: int
    embargoed_until: datetime | None
    exposure: Exposure | None
    state: str
    section_id: str | None
    promise: tuple[int, str, datetime | None] | None  # which revision readers see now or at a set time, and why

    @property
    def counted(self) -> tuple[frozenset[str], ...]:
        """The terms that count it, in the order of `_COUNTED`."""
        return self.section, self.series, self.author, self.tag


def _lock_by_ref(session: Session, ref: str) -> Article | None:
    """Lock the article with this id, slug or former slug."""
    if is_id(ref):
        return session.get(Article, ref, with_for_update=True)
    article = session.exec(select(Article).where(Article.slug == ref).with_for_update()).first()
    if article is not None:
        return article
    former = sa.select(_ADDRESS.c.article_id).where(_ADDRESS.c.address == ref).scalar_subquery()
    return session.exec(select(Article).where(Article.id == former).with_for_update()).first()


def lock_article(
    session: Session, actor: Actor, ref: str, versions: frozenset[int] | None, fields: list[str], *, scope: Scope
) -> Article:
    """Lock the article to change, which requires the scope in its section and in that of its newest revision.

    404 unless the caller may see it, 403 without the scope there, 412 if it has another version; `fields` are those
    that the 412 names.
    """
    article = _lock_by_ref(session, ref)
    if article is None:
        raise NotFound
    if not actor.may_in(scope, article.section_id):
        is_seen = article.public or actor.reads_drafts_in(article.section_id)
        raise Forbidden(OTHER_SECTIONS) if is_seen else NotFound()
    if not (actor.may_in(scope, None) or actor.may_in(scope, get_newest_revision(session, article).section_id)):
        raise Forbidden("The newest revision moves the article to a section in which the caller may not do this.")
    etag.check_version(article.version, versions, fields)
    return article


def get_newest_revision(session: Session, article: Article) -> Revision:
    """Return the revision saved last."""
    return session.get_one(Revision, (article.id, article.latest_revision))


def list_linked_ids(session: Session, model: type[ArticleAuthor] | type[ArticleTag], article_id: str) -> list[str]:
    """List the ids of the authors or tags of an article's row, in their order."""
    gathered, key = find_gathered(session), (model.__name__, article_id)
    if gathered is not None and key in gathered.linked:
        return gathered.linked[key]
    ids = [row["term_id"] for row in _SELECT_LINKED[model].rows(session, {"article": article_id})]
    if gathered is not None:
        gathered.linked[key] = ids
    return ids


def read_links(session: Session, article_ids: Collection[str]) -> None:
    """Read the authors and tags of many articles for the effects that are being gathered, one statement for each."""
    gathered = find_gathered(session)
    if gathered is None:
        raise RuntimeError("there are no effects that could keep them")
    for model, column in _LINKED.items():
        links = column.table.c
        found: dict[str, list[str]] = {article_id: [] for article_id in article_ids}
        query = sa.select(links.article_id, column.label("term_id")).where(links.article_id.in_(sorted(found)))
        for row in session.execute(query.order_by(links.article_id, links.position)):
            found[row.article_id].append(row.term_id)
        gathered.linked |= {(model.__name__, article_id): ids for article_id, ids in found.items()}


def _list_ancestors(session: Session, section_id: str) -> Sequence[str]:
    """List the sections above a section and itself; where effects are gathered, they are read once."""
    gathered = find_gathered(session)
    if gathered is None:
        return find_ancestors(session, section_id)
    if section_id not in gathered.above:
        gathered.above[section_id] = find_ancestors(session, section_id)
    return gathered.above[section_id]


def _promise_of(article: Article) -> tuple[int, str, datetime | None]:
    return article.revision, article.state, article.scheduled_at


def take_snapshot(session: Session, article: Article) -> ArticleSnapshot:
    """Return the article as it is now, to compare with after a change. Pages are not counted in lists."""
    is_counted, is_seen = article.public and article.type != PAGE_TYPE, is_article_shown(article)
    listed_with: dict[ShownKind, frozenset[str]] = {}
    if is_seen or article.state == "retracted":
        listed_with = {
            "section": frozenset(filter(None, [article.section_id])),
            "series": frozenset(filter(None, [article.series_id])),
            "author": frozenset(list_linked_ids(session, ArticleAuthor, article.id)),
            "tag": frozenset(list_linked_ids(session, ArticleTag, article.id)),
            "media": frozenset(filter(None, [article.image_id, article.seo_image_id])),
        }
    return ArticleSnapshot(
        article.public,
        listed_with["section"] if is_counted else frozenset(),
        listed_with["series"] if is_counted else frozenset(),
        listed_with["author"] if is_counted else frozenset(),
        listed_with["tag"] if is_counted else frozenset(),
        listed_with if is_seen else {},
        listed_with,
        article.revision,
        article.embargoed_until,
        exposure_of(article),
        article.state,
        article.section_id,
        _promise_of(article) if is_seen else None,
    )


class Restored(NamedTuple):
    """What a change gives back to an article that returns to a former state."""

    updated_at: datetime
    version: int | None  # the one that it had in that state; None: it counts on


class EventFields(TypedDict):
    """The fields of every event about an article."""

    subject_id: str
    slug: str
    revision: int
    within: list[str]


def build_event_fields(session: Session, article: Article, before: ArticleSnapshot | None = None) -> EventFields:
    """Return the fields of every event about an article; `within` also names the terms that it had `before`."""
    former: Mapping[ShownKind, frozenset[str]] = before.listed_with if before is not None else {}
    sections = {article.section_id, *former.get("section", ())} - {None}
    places = {
        "section": {above for section_id in sections for above in _list_ancestors(session, str(section_id))},
        "series": {article.series_id, *former.get("series", ())} - {None},
        "author": {*list_linked_ids(session, ArticleAuthor, article.id), *former.get("author", ())},
        "tag": {*list_linked_ids(session, ArticleTag, article.id), *former.get("tag", ())},
    }
    within = [f"{kind}:{term_id}" for kind, ids in places.items() for term_id in sorted(ids)]
    return {"subject_id": article.id, "slug": article.slug, "revision": article.revision, "within": within}


def _current_terms(session: Session, model: type[Term], ids: list[str]) -> list[str]:
    """Return the ids of a revision's terms that exist: merged ones are replaced, deleted ones left out."""
    gathered = find_gathered(session)
    current = gathered.terms.setdefault(model.__name__, {}) if gathered is not None else {}
    if missing := [term_id for term_id in ids if term_id not in current]:
        moved, table = find_merge_targets(session, missing), table_of(model)
        targets = [target for term_id in missing if (target := moved.get(term_id, term_id))]
        existing = set(session.execute(sa.select(table.c.id).where(table.c.id.in_(targets))).scalars())
        for term_id in missing:
            target = moved.get(term_id, term_id)
            current[term_id] = target if target in existing else None
    return list(dict.fromkeys(target for term_id in ids if (target := current[term_id])))


def apply_revision(session: Session, article: Article, revision: Revision) -> list[str]:
    """Copy a revision to the article's row and links; returns the names of the fields that changed."""
    values = {name: getattr(revision, name) for name in PROJECTED_COLUMNS}
    values["series_id"] = next(
        iter(_current_terms(session, Series, [revision.series_id] if revision.series_id else [])), None
    )
    changed = [name for name, value in values.items() if getattr(article, name) != value]
    for name in changed:
        setattr(article, name, values[name])
    shown = session.get(Revision, (article.id, article.revision)) if article.revision else None
    if shown is None or any(getattr(shown, name) != getattr(revision, name) for name in TEXT_COLUMNS):
        changed.append("body")
    is_other, article.revision = article.revision != revision.n, revision.n
    for model, column, term_ids in (
        (ArticleAuthor, "author_id", _current_terms(session, Author, revision.authors)),
        (ArticleTag, "tag_id", _current_terms(session, Tag, revision.tags)),
    ):
        if list_linked_ids(session, model, article.id) == term_ids:
            continue
        changed.append("authors" if model is ArticleAuthor else "tags")
        table = table_of(model)
        session.execute(sa.delete(table).where(table.c.article_id == article.id))
        common = {"article_id": article.id, "listed": article.listed, "listed_at": article.listed_at}
        rows = [{**common, column: term, "position": at} for at, term in enumerate(term_ids)]
        if rows:
            session.execute(sa.insert(table).values(rows))
        if (gathered := find_gathered(session)) is not None:
            gathered.linked[model.__name__, article.id] = term_ids
    if is_other and not changed:
        changed.append("revision")  # readers see another revision with the same fields
    return [name.removesuffix("_id") for name in changed]


def is_public_at(article: Article, moment: datetime) -> bool:
    """Whether readers see the article in its present state at this moment."""
    embargoed = article.embargoed_until is not None and article.embargoed_until > moment
    expired = article.expires_at is not None and article.expires_at <= moment
    return article.state == "published" and not embargoed and not expired


def is_listed(article: Article) -> bool:
    """Whether lists, feeds, neighbours and fronts hold the article: public ones, pages only on request."""
    return article.public and article.type != PAGE_TYPE


def _next_due_at(article: Article, moment: datetime) -> datetime | None:
    """Return when time alone next changes the article: it goes live, its embargo ends, or it expires."""
    moments = []
    if article.state == "scheduled":
        moments.append(article.scheduled_at)
    if article.state == "published":
        moments += [when for when in (article.embargoed_until, article.expires_at) if when and when > moment]
    return min((when for when in moments if when), default=None)


def _date_embargo_end(article: Article, before: ArticleSnapshot, moment: datetime) -> None:
    """Set `published_at` to the end of an embargo, unless it was set by hand."""
    if article.backdated or before.public or not article.public or before.embargoed_until is None:
        return
    lifted = min(before.embargoed_until, moment)
    if article.published_at is None or lifted > article.published_at:
        article.published_at = lifted


def _date_update(
    article: Article, before: ArticleSnapshot, fields: list[str], restored: Restored | None, moment: datetime
) -> None:
    """Set when what readers see was changed last."""
    if restored is not None:
        article.updated_at = restored.updated_at
    elif article.public and fields:
        article.updated_at = moment if before.public else max(article.updated_at, article.listed_at)


def _count_version(article: Article, restored: Restored | None) -> None:
    """Give the article the next version, or that of the state to which it returns.

    A version always means the same state: `If-Match` with one that was left behind is refused for ever.
    """
    article.highest_version = max(article.version, article.highest_version)
    if restored is not None and restored.version is not None:
        article.version = restored.version
    else:
        article.version = article.highest_version + 1


def _check_approval(session: Session, article: Article, before: ArticleSnapshot) -> None:
    """Raise 409 if a text would become public, now or at a set time, that is not approved as its section requires.

    So does the section that it leaves while readers see it. What they see already, or will see at the time that was set
    before, needs no approval now: when that time comes, it is looked at again.
    """
    if not is_article_shown(article):
        return
    if before.public == article.public and before.promise == _promise_of(article):
        return
    sections = {article.section_id, before.section_id} if before.public else {article.section_id}
    require_approval(session, article, article.revision, sections)


def _count_terms(effects: Effects, before: ArticleSnapshot, after: ArticleSnapshot) -> None:
    """Count the article under its terms, and no more under those that it had."""
    for kind, old, new in zip(_COUNTED, before.counted, after.counted, strict=True):
        effects.count(kind, old, new)
    for shown in dict.fromkeys([*before.shown_with, *after.shown_with]):
        effects.count_shown(shown, before.shown_with.get(shown, _NONE), after.shown_with.get(shown, _NONE))


def refresh_visibility(
    session: Session,
    actor: Actor,
    index_article: IndexArticle,
    article: Article,
    before: ArticleSnapshot,
    fields: list[str],
    *,
    emits_own_event: bool = False,
    restored: Restored | None = None,
) -> None:
    """Update what depends on an article's state after a change: visibility, lists, counts, version, events.

    Raises 403 if the change would be visible to readers and the caller may not publish, and 409 if it would show them
    a text that is not approved where it must be. `fields` names what changed.
    `emits_own_event` means that the caller emits a more specific event than unpublished or updated. `restored` gives
    the article back what it had in a former state.
    """
    moment = now()
    _count_version(article, restored)
    article.card_stamp = 0
    article.public = is_public_at(article, moment)
    _date_embargo_end(article, before, moment)
    article.listed = is_listed(article)
    article.title_key = collation_key(article.title)
    article.listed_at = article.published_at or article.created_at
    article.due_at = _next_due_at(article, moment)
    check_exposure(actor, before.exposure, exposure_of(article))
    _check_approval(session, article, before)
    _date_update(article, before, fields, restored, moment)
    gathered = find_gathered(session)
    effects = gathered or Effects()
    if article.public and (article.revision != before.revision or not before.public):
        effects.seen.append({"article": article.id, "number": article.revision, "moment": moment})
    effects.placed[article.id] = {"article": article.id, "is_listed": article.listed, "moment": article.listed_at}
    after = take_snapshot(session, article)
    _count_terms(effects, before, after)
    if before.public != after.public or (after.public and fields):
        effects.indexed[article.id] = article
    if article.public and (not before.public or fields):
        effects.periods[article.id] = describe_period(article)
    elif before.public and not article.public:
        effects.periods[article.id] = None
    event = _describe_change(session, article, before, fields, moment)
    if event is not None and not (emits_own_event and not isinstance(event, ArticlePublished)):
        effects.events.append(event)
    if gathered is None:
        write_effects(session, index_article, effects)


def _describe_change(
    session: Session, article: Article, before: ArticleSnapshot, fields: list[str], moment: datetime
) -> ArticlePublished | ArticleUpdated | ArticleUnpublished | None:
    """Return the event that tells readers of a change; None if they see none."""
    if before.public == article.public and not (article.public and fields):
        return None
    event_fields = build_event_fields(session, article, before)
    if article.public and not before.public:
        return ArticlePublished(**event_fields)
    if article.public:
        return ArticleUpdated(**event_fields, fields=sorted(set(fields)))
    reason = "unpublished"
    if article.state == "published":
        reason = "expired" if article.expires_at and article.expires_at <= moment else "embargoed"
    return ArticleUnpublished(**event_fields, reason=reason)

"""Parameters of lists of articles: filters, order, and how filter values are parsed and resolved."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, cast, get_args
from urllib.parse import quote

import sqlalchemy as sa
from pydantic import AfterValidator, Field

from app.articles.reading import ARTICLE, REVISION
from app.articles.schemas import PAGE_TYPE, ApprovalState, AsOf, FormatQuery, State
from app.articles.tables import WINDOW_DAYS
from app.core.clock import TimeOrDay
from app.core.ids import is_id
from app.core.problems import InvalidParameter
from app.core.schema_rules import NOT_BLANK, any_of, filter_values, references
from app.db.columns import table_of
from app.db.prepared import Prepared
from app.db.rows import JsonObject
from app.events.cache_groups import ARTICLES_GROUP
from app.identity.tables import ApiKey
from app.publication.references import TERM_TABLES, Kind, resolve_references
from app.text.inputs import LANGUAGE_FORM, is_language, normalise_language_tag
from app.web.paging import PageQuery, PreviewedQuery, Sort

SORTS = {
    sort.name: sort
    for sort in (
        Sort("-published_at", descending=True),
        Sort("published_at"),
        Sort("-updated_at", descending=True),
        Sort("updated_at"),
        Sort("-title", descending=True, kind=str),
        Sort("title", kind=str),
        Sort("-edited_at", descending=True),
        Sort("edited_at"),
        Sort("-created_at", descending=True),
        Sort("created_at"),
        *(
            Sort(f"-{verb}_{days}d", descending=True, kind=int)
            for verb in ("discussed", "reacted")
            for days in WINDOW_DAYS
        ),
    )
}
MAX_FILTER_VALUES = 20
MAX_FILTER_REPEATS = 5
MAX_TERM_GROUPS = 20  # cache groups of terms in one answer; with more, the list depends on all articles
MAX_TERM_GROUP_BYTES = 1500  # of these groups together: they are sent in three headers
_API_KEY = table_of(ApiKey)
_TERM_KINDS = ("tag", "author", "series", "section")
_REPEATS = Field(json_schema_extra={"maxItems": MAX_FILTER_REPEATS})
FilterValues = Annotated[str, Field(json_schema_extra=filter_values(MAX_FILTER_VALUES, r"[^\x00\s,-][^\x00,]{0,199}"))]
Filters = Annotated[list[FilterValues], _REPEATS]
Languages = Annotated[
    list[Annotated[str, Field(json_schema_extra=filter_values(MAX_FILTER_VALUES, rf"{LANGUAGE_FORM}\s*"))]], _REPEATS
]
EDITOR_SORTS = frozenset({"-edited_at", "edited_at", "-created_at", "created_at"})
"""Orders by columns that are not public."""
EDITOR_COLUMNS = MappingProxyType({"id": ("actor_id", "person_id"), "name": ("actor_name",)})
"""The columns of revisions by which `editor` finds who saved them."""
_FILTER = "Slugs or ids. Comma-separated: any of them. Repeated: all of them. Leading `-`: none of them."
_WORDS = "Comma-separated: any of them. Leading `-`: none of them."
_DAY = "RFC 3339, or a day of the publication's time zone"


def _strip_words(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value.strip()


Words = Annotated[str, Field(min_length=1, max_length=300, json_schema_extra=NOT_BLANK), AfterValidator(_strip_words)]
"""The words of a search."""


class FilterQuery(PreviewedQuery, PageQuery, FormatQuery):
    """Filters of a list of articles."""

    section: Filters = Field([], description=f"{_FILTER} Includes subsections, unless `descendants=false`.")
    descendants: bool = Field(True, description="Whether `section` includes subsections.")
    tag: Filters = Field([], description=_FILTER)
    author: Filters = Field([], description=_FILTER)
    series: Filters = Field([], description=_FILTER)
    type: Filters = Field([], description=f"{_WORDS} The type `{PAGE_TYPE}` is listed only if named here.")
    language: Languages = Field([], description=f"{_WORDS} `de` also matches `de-AT` (RFC 4647 basic filtering).")
    featured: bool | None = Field(None, description="`true`: only featured articles; `false`: only others.")
    ids: str | None = Field(
        None,
        max_length=4000,
        description="Only these articles: at most 100 ids or slugs, comma-separated.",
        json_schema_extra=references(100),
    )
    exclude: str | None = Field(
        None,
        max_length=4000,
        description="Not these articles: at most 100 ids or slugs, comma-separated.",
        json_schema_extra=references(100),
    )
    published_after: TimeOrDay | None = Field(
        None, description=f"Published later than this: {_DAY}, that day included."
    )
    published_before: TimeOrDay | None = Field(None, description=f"Published earlier than this: {_DAY}, excluded.")
    updated_after: TimeOrDay | None = Field(None, description=f"Changed later than this: {_DAY}, that day included.")


class ListQuery(FilterQuery):
    """Parameters of a list of articles."""

    q: Words | None = Field(
        None,
        description="Only articles with these words, parsed as in `GET /v1/search`, in this list's order. With "
        "`state`, also articles whose newest revision contains them, as parts of words and in any case.",
    )
    state: str | None = Field(
        None,
        max_length=100,
        description="States, comma-separated, or `any` (or `all`). Requires `content:read` or `content:write`.",
        json_schema_extra=any_of(get_args(State), instead=("any", "all")),
    )
    changed: bool | None = Field(
        None,
        description="`true`: only articles with unpublished changes; `false`: only others. Requires `content:read`; "
        "implies `state=any` unless `state` is set.",
    )
    editor: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Only articles of which this key or person, named by id or name, has saved a revision. Requires "
        "`content:read`; implies `state=any` unless `state` is set.",
    )
    approval: ApprovalState | None = Field(
        None,
        description="Only articles whose last step of approval is this one. Requires `content:read`; implies "
        "`state=any` unless `state` is set.",
    )
    sort: Literal[
        "-published_at",
        "published_at",
        "-updated_at",
        "updated_at",
        "-title",
        "title",
        "-edited_at",
        "edited_at",
        "-created_at",
        "created_at",
        "-discussed_1d",
        "-discussed_7d",
        "-discussed_30d",
        "-reacted_1d",
        "-reacted_7d",
        "-reacted_30d",
    ] = Field(
        "-published_at",
        description="Order; leading `-`: descending. The id breaks ties. `-discussed_7d`, `-reacted_7d`: most comments "
        "or reactions in the last 7 days, to the hour, followed by articles without any, newest first; likewise for "
        "`1d` and `30d`. These cannot be combined with `q` or `state`. `edited_at` (when the newest revision was "
        "saved) and `created_at` require `content:read` and imply `state=any` unless `state` is set.",
    )

    @property
    def is_for_editors(self) -> bool:
        """Whether the list is chosen or ordered by what only editors see, in their own sections."""
        named = (self.changed, self.editor, self.approval)
        return any(value is not None for value in named) or self.sort in EDITOR_SORTS

    as_of: AsOf = None

    @property
    def states(self) -> tuple[str, ...] | None:
        """The states requested, directly or by a parameter of editors; () for any, None for what is public."""
        if self.state is None:
            return () if self.is_for_editors else None
        names = {name.strip() for name in self.state.split(",")}
        return () if names <= {"any", "all"} else tuple(sorted(names))


class Filter(NamedTuple):
    """One filter parameter: any of its references, or, if negative, none of them."""

    kind: str
    negative: bool
    refs: tuple[str, ...]

    @property
    def shape(self) -> tuple[str, bool, tuple[bool, ...]]:
        """Everything that determines the text of a statement with a parameter for each value."""
        return self.kind, self.negative, tuple(is_id(ref) for ref in self.refs)

    @property
    def outline(self) -> tuple[str, bool, tuple[bool, ...]]:
        """Everything that determines the text of a statement with one parameter for all values."""
        return self.kind, self.negative, tuple(sorted({is_id(ref) for ref in self.refs}))

    @property
    def names_pages(self) -> bool:
        """Whether the filter names pages, which lists otherwise leave out: by type, or by id or slug."""
        return not self.negative and (self.kind == "ids" or (self.kind == "type" and PAGE_TYPE in self.refs))


def _parse_filter(kind: str, text: str) -> Filter:
    parts = [part.strip() for part in text.split(",")]
    negative = parts[0].startswith("-")
    refs = tuple(part[1:] if part.startswith("-") else part for part in parts)
    if any(part.startswith("-") != negative for part in parts) and not negative:
        raise InvalidParameter(kind, f"{kind}: write `-` before the first value, or in a parameter of its own.")
    if not all(refs) or len(refs) > MAX_FILTER_VALUES or any(len(ref) > 200 or "\0" in ref for ref in refs):
        raise InvalidParameter(kind, f"{kind}: 1 to {MAX_FILTER_VALUES} values of 1 to 200 characters.")
    if kind != "language":
        return Filter(kind, negative, refs)
    if not all(map(is_language, refs)):
        raise InvalidParameter(kind, f"{kind}: BCP 47 language tags, such as de or de-AT.")
    return Filter(kind, negative, tuple(map(normalise_language_tag, refs)))


def parse_filters(query: FilterQuery) -> tuple[Filter, ...]:
    """Return the filters of a request; 400 for invalid values."""
    filters: list[Filter] = []
    if "descendants" in query.model_fields_set and not query.section:
        raise InvalidParameter("descendants", "descendants: only with section.")
    for kind in ("tag", "author", "series", "section", "type", "language"):
        values: list[str] = getattr(query, kind)
        if len(values) > MAX_FILTER_REPEATS:
            raise InvalidParameter(kind, f"{kind}: at most {MAX_FILTER_REPEATS} times.")
        filters += [_parse_filter(kind, value) for value in values]
    for kind, negative, text in (("ids", False, query.ids), ("ids", True, query.exclude)):
        if text is not None:
            refs = tuple(part.strip() for part in text.split(","))
            if not all(refs) or len(refs) > 100 or any("\0" in ref for ref in refs):
                name = "exclude" if negative else "ids"
                raise InvalidParameter(name, f"{name}: 1 to 100 ids or slugs.")
            filters.append(Filter(kind, negative, refs))
    return tuple(filters)


def _select_languages() -> sa.Select[tuple[str]]:
    """Select all languages of articles, with one step in an index for each."""
    tags = sa.select(sa.func.min(ARTICLE.c.language).label("tag")).cte("languages", recursive=True)
    later = (
        sa.select(sa.func.min(ARTICLE.c.language))
        .where(ARTICLE.c.language > tags.c.tag)
        .correlate(tags)
        .scalar_subquery()
    )
    tags = tags.union_all(sa.select(later).where(tags.c.tag.is_not(None)))
    return sa.select(tags.c.tag).where(tags.c.tag.is_not(None))


_LANGUAGES: Prepared[JsonObject] = Prepared(_select_languages())


def list_languages(connection: sa.Connection) -> list[str]:
    """List the languages of all articles, in a step of an index for each."""
    return [str(row["tag"]) for row in _LANGUAGES.rows(connection, {})]


def resolve_filters(connection: sa.Connection, filters: Sequence[Filter], query: FilterQuery) -> tuple[Filter, ...]:
    """Return the filters with ids in place of slugs, sections with their descendants, languages with variants.

    Former slugs are followed; 400 for a term that does not exist. Takes one statement for sections, tags, authors and
    series, one for languages, and none where neither is named.
    """
    refs: dict[Kind, list[str]] = {}
    for filter_ in filters:
        if filter_.kind in TERM_TABLES:
            refs.setdefault(cast(Kind, filter_.kind), []).extend(filter_.refs)
    references = resolve_references(connection, refs) if refs else {}
    languages: list[str] = []
    if any(filter_.kind == "language" for filter_ in filters):
        languages = list_languages(connection)
    resolved = []
    for filter_ in filters:
        if filter_.kind in TERM_TABLES:
            kind = cast(Kind, filter_.kind)
            if any((kind, ref) not in references for ref in filter_.refs):
                raise InvalidParameter(kind, f"{kind}: there is no such {kind}.")
            named = [references[kind, ref] for ref in filter_.refs]
            ids = [
                row_id for reference in named for row_id in (reference.ids if query.descendants else (reference.id,))
            ]
            filter_ = filter_._replace(refs=tuple(sorted(set(ids))))
        elif filter_.kind == "language":
            ranges = tuple(f"{ref}-" for ref in filter_.refs)
            variants = {tag for tag in languages if tag in filter_.refs or tag.startswith(ranges)}
            filter_ = filter_._replace(refs=tuple(sorted(variants)) or filter_.refs)
        resolved.append(filter_)
    return tuple(resolved)


def check_editor(connection: sa.Connection, query: ListQuery) -> None:
    """Answer 400 for an `editor` that is no API key and never saved a revision."""
    if query.editor is None:
        return
    by_id = is_id(query.editor)
    key = (_API_KEY.c.id if by_id else _API_KEY.c.name) == query.editor
    saved = [sa.exists().where(REVISION.c[name] == query.editor) for name in EDITOR_COLUMNS["id" if by_id else "name"]]
    if not connection.execute(sa.select(sa.or_(sa.exists().where(key), *saved))).scalar_one():
        raise InvalidParameter("editor", "editor: there is no key or person with this id or name.")


def membership_groups(requested: Sequence[Filter], resolved: Sequence[Filter]) -> tuple[str, ...]:
    """Return the cache groups that decide which articles are in a list: terms of one filter, or all articles.

    `requested` has terms as sent, including slugs, which may name another term later; `resolved` has their ids.
    """
    for kind in _TERM_KINDS:
        for before, after in zip(requested, resolved, strict=True):
            if after.kind == kind and not after.negative and all(map(is_id, after.refs)):
                groups = dict.fromkeys(f"{kind}:{quote(ref)}" for ref in (*before.refs, *after.refs))
                if len(groups) <= MAX_TERM_GROUPS and sum(map(len, groups)) <= MAX_TERM_GROUP_BYTES:
                    return tuple(groups)
    return (ARTICLES_GROUP,)

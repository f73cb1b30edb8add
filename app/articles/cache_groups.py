"""Cache groups of answers that hold many articles: what such an answer depends on, said as events say it.

A list names what decides which articles are in it (`articles`, or the terms that it is filtered by), `publication` for
the names, notices and pictures in it, and only where counts are shown, a group for the counts of each article in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from app.articles.list_parameters import Filter
from app.core.ids import is_id
from app.events.cache_groups import PUBLICATION_GROUP, counts_groups_of

ARTICLES_GROUP = "articles"  # of what any article may come into or leave
MAX_TERM_GROUPS = 20  # groups of terms in one answer: what is filtered by more depends on all articles
MAX_TERM_GROUP_BYTES = 1500  # of these groups together, in bytes: they stand in three headers
_TERM_KINDS = ("tag", "author", "series", "section")
_COUNT_FIELDS = {"discussion", "reactions"}


def shows_counts(fields: Any, *path: str) -> bool:
    """Whether chosen fields, see `kit.fields`, have counts of articles, which stand at a path in them."""
    for name in path:
        if fields is None or fields is True:
            return True
        fields = fields.get("__all__", fields).get(name, {})
    if fields is None or fields is True:
        return True
    if isinstance(fields, Mapping):
        fields = fields.get("__all__", fields)
    return fields is None or fields is True or bool(_COUNT_FIELDS & fields.keys())


def membership_groups(requested: Sequence[Filter], resolved: Sequence[Filter]) -> tuple[str, ...]:
    """What decides which articles are in a list: the terms of one of its filters, else all articles.

    `asked` names terms as the request does, also by slugs that may mean another one some day; `resolved` by ids.
    """
    for kind in _TERM_KINDS:
        for before, after in zip(requested, resolved, strict=True):
            if after.kind == kind and not after.negative and all(map(is_id, after.refs)):
                groups = dict.fromkeys(f"{kind}:{quote(ref)}" for ref in (*before.refs, *after.refs))
                if len(groups) <= MAX_TERM_GROUPS and sum(map(len, groups)) <= MAX_TERM_GROUP_BYTES:
                    return tuple(groups)
    return (ARTICLES_GROUP,)


def groups_of_list(members: Iterable[str], ids: Iterable[str], *, counts: bool) -> tuple[str, ...]:
    """The groups of an answer that holds these articles."""
    return (*members, PUBLICATION_GROUP, *(counts_groups_of(ids) if counts else ()))

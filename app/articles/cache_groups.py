"""Cache groups of answers that hold many articles, named as in events.

A list depends on what decides which articles are in it (`articles`, or the terms of one of its filters), on
`publication` for names, notices and pictures, and, where it shows counts, on a group for the counts of each article.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from app.articles.list_parameters import Filter
from app.core.ids import is_id
from app.events.cache_groups import PUBLICATION_GROUP, counts_groups_of

ARTICLES_GROUP = "articles"  # of lists that any article may enter or leave
MAX_TERM_GROUPS = 20  # in one answer; with more, the list depends on all articles
MAX_TERM_GROUP_BYTES = 1500  # of these groups together: they are sent in three headers
_TERM_KINDS = ("tag", "author", "series", "section")
_COUNT_FIELDS = {"discussion", "reactions"}


def shows_counts(fields: Any, *path: str) -> bool:
    """Whether the selected fields include counts of the articles at a path; see `app.web.fields`."""
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
    """Return the groups that decide which articles are in a list: terms of one filter, or all articles.

    `requested` has terms as sent, including slugs, which may name another term later; `resolved` has their ids.
    """
    for kind in _TERM_KINDS:
        for before, after in zip(requested, resolved, strict=True):
            if after.kind == kind and not after.negative and all(map(is_id, after.refs)):
                groups = dict.fromkeys(f"{kind}:{quote(ref)}" for ref in (*before.refs, *after.refs))
                if len(groups) <= MAX_TERM_GROUPS and sum(map(len, groups)) <= MAX_TERM_GROUP_BYTES:
                    return tuple(groups)
    return (ARTICLES_GROUP,)


def groups_of_list(members: Iterable[str], ids: Iterable[str], *, counts: bool) -> tuple[str, ...]:
    """Return the cache groups of an answer that holds these articles."""
    return (*members, PUBLICATION_GROUP, *(counts_groups_of(ids) if counts else ()))

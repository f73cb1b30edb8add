"""Names of cache groups: answers carry them in `Cache-Tag`, and events name those that a change makes stale."""

from collections.abc import Iterable

ARTICLES_GROUP = "articles"  # lists that any article may enter or leave
PUBLICATION_GROUP = "publication"  # every answer that shows names, notices or pictures beside an article
ACTIVITY_GROUP = "activity"  # lists that are ordered by comments or reactions
COUNTS_GROUP = "discussions"  # answers that show counts of articles which they do not name
SETTINGS_GROUP = "discussions:settings"  # answers about one article, which the settings of its section or site change
FRONTS_GROUP = "fronts"  # the list of fronts, and addresses at which a new one may stand
SITE_GROUP = "site"  # answers that show the site's profile or its menus
REDIRECTS_GROUP = "redirects"  # answers to addresses, which redirects may change
LOG_GROUP = "log"  # pages of the log, which any event makes stale; no event and no answer names it
COUNTS_PREFIX = "counts:"  # begins the names of groups of answers that show the counts of an article
MAX_COUNTS_GROUPS = 100  # groups of single articles in one answer


def counts_group_of(article_id: str) -> str:
    """Return the group of answers that show the counts of an article; one article in 4,096 shares it.

    A list of 100 articles names up to 100 such groups, which full ids would make too long for a header.
    """
    return f"{COUNTS_PREFIX}{article_id[-3:]}"


def counts_groups_of(ids: Iterable[str]) -> tuple[str, ...]:
    """Return the groups of an answer that shows the counts of these articles."""
    groups = sorted(set(map(counts_group_of, ids)))
    return (SETTINGS_GROUP, *groups) if len(groups) <= MAX_COUNTS_GROUPS else (SETTINGS_GROUP, COUNTS_GROUP)


def changed_counts_groups(article_id: str) -> list[str]:
    """Return the groups of all answers that show counts of an article, for events that change them."""
    return [counts_group_of(article_id), COUNTS_GROUP]


def discussion_group_of(article_id: str) -> str:
    """Return the group of answers that show comments on an article."""
    return f"comments:{article_id}"


def discussion_cache_groups(article_id: str) -> tuple[str, str]:
    """Return the cache groups of an answer that shows comments on one article."""
    return discussion_group_of(article_id), SETTINGS_GROUP

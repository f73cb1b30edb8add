"""Converting comments of WordPress and of the plugin wpDiscuz; pings, reviews and notes are not imported."""

import re
from typing import Final

from app.importers.discussion.comments import (
    ANONYMOUS,
    SourceComment,
    State,
    clean_email,
    clean_name,
    replace_pictures,
)
from app.importers.wordpress.paragraphs import add_paragraphs
from app.importers.wordpress.records import Comment, Item, whole_number
from app.importers.wordpress.survey import Survey

_STICKY = "wpdiscuz_sticky"
_READERS: Final = frozenset({"", "comment", _STICKY})
"""Types of readers' comments."""
_STATES: Final[dict[str, State]] = {
    "1": "published",
    "approve": "published",
    "spam": "spam",
    "trash": "removed",
}
_WORDPRESS_STATES: Final = {"published": "approved", "pending": "pending", "spam": "spam", "removed": "deleted"}
_OUTCOMES: Final = {
    "published": "published",
    "pending": "pending",
    "spam": "spam, never shown",
    "removed": "removed, without text and author",
}
_DISQUS_AGENT = re.compile(r"Disqus/[^:]{0,40}:(\d{1,18})$")
_VOTE = re.compile(r's:\d+:"(like|dislike)";i:(-?\d{1,9});')


def state_of(comment: Comment) -> State | None:
    """Map the state of a comment, None if it is not imported. Unknown states become `pending`."""
    if comment.type not in _READERS or comment.approved == "post-trashed":
        return None
    return _STATES.get(comment.approved, "pending")


def describe_outcome(comment: Comment) -> str:
    """Describe a comment and its outcome for the report."""
    kind = "comment" if comment.type in _READERS else comment.type
    state = state_of(comment)
    if state is None:
        reason = "deleted with its post" if comment.approved == "post-trashed" else "not a reader's comment"
        return f"{kind}, {reason}: not imported"
    return f"{kind}, {_WORDPRESS_STATES[state]}: {_OUTCOMES[state]}"


def convert_comments(item: Item, survey: Survey) -> tuple[list[SourceComment], dict[str, str]]:
    """Convert the comments of an item; return them, and the parents of those that are not imported, by key."""
    comments, absent = list[SourceComment](), dict[str, str]()
    for comment in item.comments:
        state, parent = state_of(comment), str(comment.parent_id or "")
        if state is None:
            absent[str(comment.id)] = parent
        else:
            comments.append(_convert(comment, state, parent, survey))
    return comments, absent


def _convert(comment: Comment, state: State, parent: str, survey: Survey) -> SourceComment:
    key = str(comment.id or "")
    if state == "removed":
        return SourceComment(key, parent, state, ANONYMOUS, "", "", comment.created_at, disqus_id=_disqus_id(comment))
    notes: list[str] = []
    up, down = _votes(comment)
    html = replace_pictures(comment.content, notes)
    return SourceComment(
        key=key,
        parent=parent,
        state=state,
        name=clean_name(comment.author, notes),
        email=clean_email(comment.email),
        html=add_paragraphs(html),
        created_at=comment.created_at,
        upvotes=up,
        downvotes=down,
        featured=comment.type == _STICKY or _meta(comment, "featured") == "1",
        writer=survey.login(comment.user_id) or "",
        notes=tuple(notes),
        disqus_id=_disqus_id(comment),
    )


def _disqus_id(comment: Comment) -> str:
    """Return the Disqus id of a comment that the Disqus plugin copied into WordPress, or an empty string."""
    number = _meta(comment, "dsq_post_id").strip()
    agent = _DISQUS_AGENT.match(comment.agent)
    return (number if number.isascii() and number.isdigit() else "") or (agent[1] if agent else "")


def _votes(comment: Comment) -> tuple[int, int]:
    """Return the up- and downvotes of wpDiscuz; if it stored only their difference, one of them is 0."""
    counts = {name: abs(int(number)) for name, number in _VOTE.findall(_meta(comment, "wpdiscuz_votes_seperate"))}
    if counts:
        return counts.get("like", 0), counts.get("dislike", 0)
    total = _meta(comment, "wpdiscuz_votes")
    return whole_number(total), whole_number(total.removeprefix("-")) if total.startswith("-") else 0


def _meta(comment: Comment, key: str) -> str:
    return next(iter(comment.meta.get(key, ())), "")

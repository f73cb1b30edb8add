"""Comments of WordPress, and of the plugin wpDiscuz, as remarks; what was never a reader's comment stays out."""

import re
from typing import Final

from app.importers.discussion.remarks import (
    ANONYMOUS,
    Remark,
    State,
    address,
    shown_name,
    with_links_for_pictures,
)
from app.importers.wordpress.paragraphs import paragraphs
from app.importers.wordpress.records import Comment, Item, whole_number
from app.importers.wordpress.survey import Survey

_STICKY = "wpdiscuz_sticky"
_READERS: Final = frozenset({"", "comment", _STICKY})
"""The types that readers' comments have; pings, reviews, private ones and notes of editors have others."""
_STATES: Final[dict[str, State]] = {
    "1": "published",
    "approve": "published",
    "spam": "spam",
    "trash": "removed",
}
_THERE: Final = {"published": "approved", "pending": "waiting", "spam": "spam", "removed": "deleted"}
_BECOMES: Final = {
    "published": "shown",
    "pending": "waiting here too",
    "spam": "spam here too, never shown",
    "removed": "removed here too, without text and author",
}
_DISQUS_AGENT = re.compile(r"Disqus/[^:]{0,40}:(\d{1,18})$")
_VOTE = re.compile(r's:\d+:"(like|dislike)";i:(-?\d{1,9});')


def state_of(comment: Comment) -> State | None:
    """Its state here; None for what is not imported. What is not known to be approved waits."""
    if comment.type not in _READERS or comment.approved == "post-trashed":
        return None
    return _STATES.get(comment.approved, "pending")


def outcome_of(comment: Comment) -> str:
    """What it is and what becomes of it, in words for the report."""
    kind = "comment" if comment.type in _READERS else comment.type
    state = state_of(comment)
    if state is None:
        there = "deleted with its post" if comment.approved == "post-trashed" else "no comment of a reader"
        return f"{kind}, {there}: not imported"
    return f"{kind}, {_THERE[state]}: {_BECOMES[state]}"


def remarks_of(item: Item, survey: Survey) -> tuple[list[Remark], dict[str, str]]:
    """The comments of an item that are imported, and the keys and parents of those that are not."""
    remarks, absent = list[Remark](), dict[str, str]()
    for comment in item.comments:
        state, parent = state_of(comment), str(comment.parent_id or "")
        if state is None:
            absent[str(comment.id)] = parent
        else:
            remarks.append(_remark(comment, state, parent, survey))
    return remarks, absent


def _remark(comment: Comment, state: State, parent: str, survey: Survey) -> Remark:
    key = str(comment.id or "")
    if state == "removed":
        return Remark(key, parent, state, ANONYMOUS, "", "", comment.created_at, disqus_id=_disqus_id(comment))
    notes: list[str] = []
    up, down = _votes(comment)
    html = with_links_for_pictures(comment.content, notes)
    return Remark(
        key=key,
        parent=parent,
        state=state,
        name=shown_name(comment.author, notes),
        email=address(comment.email),
        html=paragraphs(html),
        created_at=comment.created_at,
        upvotes=up,
        downvotes=down,
        featured=comment.type == _STICKY or _meta(comment, "featured") == "1",
        writer=survey.login(comment.user_id) or "",
        notes=tuple(notes),
        disqus_id=_disqus_id(comment),
    )


def _disqus_id(comment: Comment) -> str:
    """The id of the comment at Disqus that the plugin copied into WordPress; empty for all others."""
    number = _meta(comment, "dsq_post_id").strip()
    agent = _DISQUS_AGENT.match(comment.agent)
    return (number if number.isascii() and number.isdigit() else "") or (agent[1] if agent else "")


def _votes(comment: Comment) -> tuple[int, int]:
    """The votes that wpDiscuz counted: both kinds if it kept them apart, else only by how much one kind won."""
    apart = {name: abs(int(number)) for name, number in _VOTE.findall(_meta(comment, "wpdiscuz_votes_seperate"))}
    if apart:
        return apart.get("like", 0), apart.get("dislike", 0)
    total = _meta(comment, "wpdiscuz_votes")
    return whole_number(total), whole_number(total.removeprefix("-")) if total.startswith("-") else 0


def _meta(comment: Comment, key: str) -> str:
    return next(iter(comment.meta.get(key, ())), "")

"""A comment as other systems have it, whatever they call its parts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from html import escape, unescape
from typing import Literal

from app.importers.ledger import fingerprint

State = Literal["published", "pending", "spam", "removed"]

ANONYMOUS = "Anonymous"
_IMAGE = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b(src|alt)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


@dataclass(frozen=True)
class Remark:
    """One comment on its way in. `removed` ones bring no text and no author: only their place in the thread."""

    key: str  # its id there
    parent: str  # the id of what it answers, or empty
    state: State
    name: str
    email: str = field(repr=False)
    html: str
    created_at: datetime | None
    upvotes: int = 0
    downvotes: int = 0
    featured: bool = False
    writer: str = ""  # the key of the author of the publication who wrote it, if one did
    notes: tuple[str, ...] = field(default=(), compare=False)
    disqus_id: str = ""  # of the comment at Disqus that this is, or is a copy of: both exports may have it

    @cached_property
    def fingerprint(self) -> str:
        """Changes with what is written anew; begins with the state, so that it can be told from one given here.

        Votes are left out: they are taken once, as readers go on voting here.
        """
        left_out = {"notes", "upvotes", "downvotes", "fingerprint", "disqus_id"}
        values = {name: value for name, value in vars(self).items() if name not in left_out}
        return f"{self.state}:{fingerprint(values)[:48]}"

    @property
    def person(self) -> str:
        """What tells its author from others of the same source; it outlives them in the ledger, so only as a hash."""
        return fingerprint({"writer": self.writer} if self.writer else {"name": self.name, "email": self.email.lower()})


@dataclass
class Group:
    """All that one file says under one article; `article_id` is None where a dry run would make it first."""

    article_id: str | None
    title: str
    at: datetime | None  # for comments without a date
    remarks: list[Remark]
    absent: Mapping[str, str]  # what is not imported, and what it answers: replies to it are attached higher up


def shown_name(name: str, notes: list[str]) -> str:
    """A name that may be public: an e-mail address typed as one is cut before the @."""
    line = " ".join(name.split())
    if "@" in line:
        notes.append("the name is an e-mail address: only what stands before the @ is taken")
        line = line.partition("@")[0].strip()
    return line[:200] if any(char.isalnum() for char in line) else ANONYMOUS


def address(email: str) -> str:
    """An e-mail address if it looks like one, else nothing."""
    found = email.strip()
    return found if re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,255}", found) and found.isprintable() else ""


def with_links_for_pictures(html: str, notes: list[str]) -> str:
    """Comments hold no pictures here: each becomes a link to it."""

    def link(match: re.Match[str]) -> str:
        found = {name.lower(): unescape(one or two) for name, one, two in _ATTRIBUTE.findall(match.group())}
        if not found.get("src", "").startswith(("http://", "https://")):
            return escape(found.get("alt", ""))
        notes.append("a picture became a link")
        return f'<a href="{escape(found["src"])}">{escape(found.get("alt") or found["src"])}</a>'

    return _IMAGE.sub(link, html)

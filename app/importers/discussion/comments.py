"""Comments of other systems in a common form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from html import escape, unescape
from typing import Literal

from app.importers.ledger import compute_fingerprint

State = Literal["published", "pending", "spam", "removed"]

ANONYMOUS = "Anonymous"
_IMAGE = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b(src|alt)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


@dataclass(frozen=True)
class SourceComment:
    """A comment to import. Removed ones have no text and no author, only a place in the thread."""

    key: str  # its id in the source
    parent: str  # the key of its parent, or empty
    state: State
    name: str
    email: str = field(repr=False)
    html: str
    created_at: datetime | None
    upvotes: int = 0
    downvotes: int = 0
    featured: bool = False
    writer: str = ""  # the ledger key of the publication's author who wrote it, if any
    notes: tuple[str, ...] = field(default=(), compare=False)
    disqus_id: str = (
        ""  # the id of the Disqus comment that this is or was copied from: exports of both systems may have it
    )

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the imported values, which begins with the state, to detect moderation since the import.

        Votes are imported only once and left out, as readers continue to vote.
        """
        left_out = {"notes", "upvotes", "downvotes", "fingerprint", "disqus_id"}
        values = {name: value for name, value in vars(self).items() if name not in left_out}
        return f"{self.state}:{compute_fingerprint(values)[:48]}"

    @property
    def person(self) -> str:
        """The ledger key of its author: a hash, as it outlives the author's erasure."""
        return compute_fingerprint(
            {"writer": self.writer} if self.writer else {"name": self.name, "email": self.email.lower()}
        )


@dataclass
class CommentGroup:
    """The comments of one article in one file; `article_id` is None if a dry run would have created the article."""

    article_id: str | None
    title: str
    at: datetime | None  # the time of comments without a date
    comments: list[SourceComment]
    absent: Mapping[str, str]  # parents of comments that are not imported, to attach their replies higher up


def clean_name(name: str, notes: list[str]) -> str:
    """Return a name that may be public: an e-mail address is cut before the `@`."""
    line = " ".join(name.split())
    if "@" in line:
        notes.append("the name is an e-mail address: only the part before the @ is used")
        line = line.partition("@")[0].strip()
    return line[:200] if any(char.isalnum() for char in line) else ANONYMOUS


def clean_email(email: str) -> str:
    """Return an e-mail address, or an empty string for anything else."""
    address = email.strip()
    return address if re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,255}", address) and address.isprintable() else ""


def replace_pictures(html: str, notes: list[str]) -> str:
    """Replace each picture by a link to it, as comments cannot have pictures."""

    def link(match: re.Match[str]) -> str:
        values = {name.lower(): unescape(one or two) for name, one, two in _ATTRIBUTE.findall(match.group())}
        if not values.get("src", "").startswith(("http://", "https://")):
            return escape(values.get("alt", ""))
        notes.append("a picture became a link")
        return f'<a href="{escape(values["src"])}">{escape(values.get("alt") or values["src"])}</a>'

    return _IMAGE.sub(link, html)

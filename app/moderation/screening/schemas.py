"""What the stages of screening know of a submission, and what each may say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from app.comments.posting.schemas import Submission
from app.kit.settings import Settings
from app.moderation.checker.schemas import Opinion
from app.moderation.phrases.schemas import Compiled, Phrases

A_MINUTE, A_DAY = 60, 86_400  # seconds
MINUTES_A_DAY = 100  # so many minutes' worth of comments are a day's
SHORT = 20  # characters: what is shorter, several people say


class Finding(NamedTuple):
    """What a stage found: `note` is written down and changes nothing."""

    state: Literal["note", "pending", "rejected", "spam"]
    detail: str = ""


class Standing(NamedTuple):
    """What the store knows of the author and of the text, in one row."""

    banned: bool = False
    author_minute: datetime | None = None  # when the oldest comment was written that, with those after it, is too many
    author_day: datetime | None = None
    address_minute: datetime | None = None
    address_day: datetime | None = None
    repeats_here: int = 0  # the same text as an answer to the same comment, or at the top of the same article
    articles: int = 0  # other articles with the same text
    phrases: str | None = None  # the stamp of the phrases
    spam: int | None = None  # texts that the classifier has learned
    ham: int | None = None
    parents: int = 0  # other places of the same article with the same text


class Reading(NamedTuple):
    """What takes long to find out about a text and needs no store: found before the transaction that judges it."""

    stamp: str | None  # of the phrases that were looked for
    phrases: tuple[Compiled, ...]
    tokens: list[int] | None  # None: the classifier had not learned enough when it was read


@dataclass(frozen=True)
class Case:
    """One submission before the stages."""

    submission: Submission
    standing: Standing
    settings: Settings
    phrases: Phrases
    likeness: Callable[[], float]  # how likely it is spam, 0.5 where that is unknown; asks the store
    opinion: Opinion | None  # None: there is no checker
    found: tuple[Compiled, ...] | None = None  # phrases in the text and the links; None: not looked for yet

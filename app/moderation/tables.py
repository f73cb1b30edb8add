"""Tables of moderation: actions on people, appeals, bans, the classifier, the log, phrases, cases, reports, …"""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field

from app.db.columns import BIG, ID, Table, partial_index


class Appeal(Table, table=True):
    """An author's appeal against a decision; there is at most one for each."""

    __table_args__ = (sa.UniqueConstraint("comment_id", "decision_id", name="uq_appeal_decision"),)

    id: str = Field(primary_key=True, sa_type=ID)
    comment_id: str = Field(sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    decision_id: str = Field(sa_type=ID)  # an entry of the moderation log, or the comment's id if there is none
    text: str = Field(max_length=2000)
    state: str = Field(max_length=10)  # open, granted, declined
    answer: str | None = Field(None, max_length=2000)
    created_at: datetime
    answered_at: datetime | None = None


class Ban(Table, table=True):
    """A banned identity, address or domain. Network and e-mail addresses are hashes."""

    id: str = Field(primary_key=True, sa_type=ID)
    kind: str = Field(max_length=12)  # identity, address, email, email_domain
    value: str = Field(max_length=300, unique=True)  # `kind:` and a participant's id, a hash or a domain
    participant_id: str | None = Field(sa_type=ID)  # of identities
    comment_id: str | None = Field(sa_type=ID)  # the comment that caused it; it may be deleted
    reason: str | None = Field(max_length=2000)
    until: datetime | None
    # an identity whose comments are hidden from all others
    shadow: bool = Field(False, sa_column_kwargs={"server_default": sa.false()})
    created_at: datetime = Field(index=True)
    created_by: str | None = Field(sa_type=ID)  # the moderator's key


class SpamToken(Table, table=True):
    """Number of texts of each class that contain a word, stored as a hash. Row 0 counts the texts."""

    __tablename__ = "spam_token"

    token: int = Field(primary_key=True, sa_type=BIG, sa_column_kwargs={"autoincrement": False})  # 63 bits of a hash
    spam: int = 0
    ham: int = 0


class LearnedComment(Table, table=True):
    """The tokens learned from a comment, so that they can be unlearned after its text has changed."""

    __tablename__ = "learned_comment"

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    spam: bool
    tokens: list[int] = Field(default_factory=list, sa_type=sa.JSON)


class ModerationLog(Table, table=True):
    """An entry of the moderation log. It holds neither texts of comments nor addresses."""

    __tablename__ = "moderation_log"
    __table_args__ = (
        sa.Index("ix_moderation_log_at", "at", "id"),
        sa.Index("ix_moderation_log_comment", "comment_id", "at", "id"),
        sa.Index("ix_moderation_log_article", "article_id", "at", "id"),
        sa.Index("ix_moderation_log_actor", "actor_id", "at", "id"),
        partial_index("ix_moderation_log_person", "person_id", "at", "id", where="person_id IS NOT NULL"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    at: datetime
    comment_id: str | None = Field(sa_type=ID)  # no foreign key: entries outlive the comment
    article_id: str | None = Field(sa_type=ID)
    actor_kind: str = Field(max_length=20)  # key, person, system, guest, reader, anonymous, edit
    actor_id: str | None = Field(sa_type=ID)
    person_id: str | None = Field(default=None, sa_type=ID)  # who decided, signed in or by a key of theirs
    action: str = Field(max_length=40)
    state: str | None = Field(max_length=10)  # the comment's state from then on; null if unchanged
    reasons: list[dict[str, str]] = Field(default_factory=list, sa_type=sa.JSON)  # [{stage, detail}]
    note: str | None = Field(None, max_length=2000)  # the moderator's reason, shown to the author
    ground: str | None = Field(None, max_length=10)  # law or terms
    canned_id: str | None = Field(None, sa_type=ID)  # the canned reason that was used; it may be deleted


class Phrase(Table, table=True):
    """A watched phrase."""

    id: str = Field(primary_key=True, sa_type=ID)
    text: str = Field(max_length=200)
    match: str = Field(max_length=10)  # word or text
    action: str = Field(max_length=10)  # hold, reject, spam
    note: str | None = Field(None, max_length=2000)
    version: int = 1
    created_at: datetime = Field(index=True)
    updated_at: datetime


class PhraseGeneration(Table, table=True):
    """The single row whose value changes with every write of phrases, so that processes know when to reload them."""

    __tablename__ = "phrase_stamp"

    id: int = Field(1, primary_key=True)
    value: str = Field(sa_type=ID)


class ModerationCase(Table, table=True):
    """The moderation state of a comment that was reported, appealed or decided, with the sort key of the queue."""

    __tablename__ = "moderation_case"
    __table_args__ = (
        *(  # SQLite stores booleans as numbers
            partial_index(
                f"ix_moderation_case_{name}", column, "comment_id", where="waits = 1", postgresql_where="waits"
            )
            for name, column in (("waits", "commented_at"), ("reports", "reports"), ("risk", "risk"))
        ),
    )

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    commented_at: datetime  # the comment's created_at
    reports: int = 0  # open ones
    weight: int = 0  # of the open ones, in tenths
    appealed: bool = False
    waits: bool = False  # reported or appealed
    risk: int = Field(0, sa_column_kwargs={"server_default": "0"})  # that of the comment and of its open reports
    verdict: str | None = Field(None, max_length=10)  # approved or rejected: how it counts in its author's history


class ModerationLease(Table, table=True):
    """A comment that a moderator has claimed until a time."""

    __tablename__ = "moderation_lease"

    comment_id: str = Field(primary_key=True, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    key_id: str = Field(sa_type=ID)
    until: datetime


class Report(Table, table=True):
    """A reader's report on a comment or article; its text and e-mail address are private."""

    __table_args__ = (
        sa.UniqueConstraint("target_id", "reporter", name="uq_report_reporter"),
        sa.Index("ix_report_state", "state", "created_at", "id"),
        sa.Index("ix_report_comment", "comment_id", "state"),
        sa.Index("ix_report_article", "article_id", "created_at", "id"),
        sa.Index("ix_report_reporter", "reporter", "state"),
        sa.Index("ix_report_address", "address_hash", "created_at"),
        sa.Index("ix_report_participant", "participant_id"),
        sa.Index("ix_report_email", "email"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    target_id: str = Field(sa_type=ID)  # the comment, or the article
    comment_id: str | None = Field(None, sa_type=ID, foreign_key="comment.id", ondelete="CASCADE")
    article_id: str = Field(sa_type=ID, foreign_key="article.id", ondelete="CASCADE")
    # who counts once: a confirmed participant, or everybody behind one network address
    reporter: str = Field(max_length=80)
    participant_id: str | None = Field(None, sa_type=ID, foreign_key="participant.id", ondelete="SET NULL")
    address_hash: str | None = Field(None, max_length=64)
    reason: str = Field(max_length=20)
    text: str | None = Field(None, max_length=2000)
    email: str | None = Field(None, max_length=320)
    weight: int  # in tenths
    state: str = Field(max_length=10)  # open, upheld, dismissed
    created_at: datetime
    decided_at: datetime | None = None


class CannedReason(Table, table=True):
    """A reason that moderators use again and again, in several languages."""

    __tablename__ = "moderation_reason"

    id: str = Field(primary_key=True, sa_type=ID)
    title: str = Field(max_length=100, unique=True)
    ground: str | None = Field(None, max_length=10)  # law or terms
    basis: str | None = Field(None, max_length=500)  # the law or the rule
    texts: dict[str, str] = Field(sa_type=sa.JSON)  # by language
    version: int = 1
    created_at: datetime = Field(index=True)
    updated_at: datetime


class PersonNote(Table, table=True):
    """A moderator's note on somebody who comments, for other moderators."""

    __tablename__ = "moderation_note"
    __table_args__ = (sa.Index("ix_moderation_note_participant", "participant_id", "created_at", "id"),)

    id: str = Field(primary_key=True, sa_type=ID)
    participant_id: str = Field(sa_type=ID, foreign_key="participant.id", ondelete="CASCADE")
    text: str = Field(max_length=2000)
    actor_id: str = Field(sa_type=ID)  # the moderator's key, or the moderator
    person_id: str | None = Field(None, sa_type=ID)  # the moderator, if known
    created_at: datetime


class PersonAction(Table, table=True):
    """An action on somebody who comments: a ban, or the removal of all comments, which the worker carries out."""

    __tablename__ = "moderation_action"
    __table_args__ = (
        sa.Index("ix_moderation_action_participant", "participant_id", "created_at", "id"),
        partial_index("ix_moderation_action_due", "due_at", where="due_at IS NOT NULL"),
    )

    id: str = Field(primary_key=True, sa_type=ID)
    participant_id: str = Field(sa_type=ID, foreign_key="participant.id", ondelete="CASCADE")
    actor_kind: str = Field(max_length=20)
    actor_id: str | None = Field(sa_type=ID)
    person_id: str | None = Field(None, sa_type=ID)
    sections: list[str] | None = Field(None, sa_type=sa.JSON(none_as_null=True))  # where it removes; null: everywhere
    ban_id: str | None = Field(None, sa_type=ID)
    ban: str | None = Field(None, max_length=10)  # full or shadow
    until: datetime | None = None
    reason: str | None = Field(None, max_length=2000)
    ground: str | None = Field(None, max_length=10)
    canned_id: str | None = Field(None, sa_type=ID)
    remove_all: bool = False
    state: str = Field(max_length=10)  # done, removing, restoring, undone
    removed: int = 0  # comments
    restored: int = 0
    after_at: datetime | None = None  # the last comment that was looked at
    after_id: str | None = Field(None, sa_type=ID)
    due_at: datetime | None = None  # null unless there is work for the worker
    created_at: datetime
    finished_at: datetime | None = None

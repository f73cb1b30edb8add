"""Importing comments: the outcome of each is decided without writing, then batches are written."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypedDict

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.rendering import Body, clean_html
from app.comments.schemas import controversy_score, wilson_score
from app.core.clock import now
from app.core.ids import new_id
from app.db import Database
from app.db.rows import JsonObject, fetch_rows
from app.importers.discussion.comments import CommentGroup, SourceComment
from app.importers.discussion.people import Person, find_or_create_people, list_author_ids
from app.importers.discussion.store import COMMENT, ChangedComment, NewComment, write_comments
from app.importers.discussion.threads import can_be_under, find_visible_parents, sort_parents_first
from app.importers.engine import MAX_TRANSACTION_SECONDS, write_with_retries
from app.importers.ledger import ImportedRow, Ledger
from app.importers.report import Outcome, Report
from app.text.names import public_name

BATCH_SIZE = 500  # comments that are written at most, and rows that are read, at a time
FIRST_BATCH_SIZE = 50  # comments in the first transaction; later ones have as many as fit `MAX_TRANSACTION_SECONDS`
KIND = "comment"
_ORPHAN = "?"  # ends the fingerprint of a reply whose parent has not been imported
_EMPTY_BODY = Body(source="", html="", text="", links=(), fingerprint="")


class StoredComment(TypedDict):
    """A comment that an earlier import has written."""

    id: str
    article_id: str
    parent_id: str | None
    state: str
    version: int
    edited_at: datetime | None


_SELECT_STORED = sa.select(*(COMMENT.c[name] for name in StoredComment.__annotations__))


@dataclass
class _Decision:
    """The decision about one comment, and the values to write."""

    group: CommentGroup
    comment: SourceComment
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    parent: str = ""  # the key of the comment above it, empty at the top
    body: Body = _EMPTY_BODY
    local_id: str | None = None
    is_adopted: bool = False  # was imported from the other system first
    is_unnoted: bool = False  # its Disqus id is not in the ledger yet
    fingerprint: str = ""  # for the ledger
    finds_parent: bool = False  # its parent was missing when it was first imported


class CommentImport:
    """Imports comments, one article's group after another; a dry run writes nothing."""

    def __init__(self, db: Database, ledger: Ledger, report: Report) -> None:
        self.db, self.ledger, self.report = db, ledger, report
        self._disqus = Ledger("disqus")  # Disqus ids are globally unique, so exports of both systems share them
        self._seen: set[str] = set()
        self._seen_at_disqus: dict[str, str] = {}
        self._batch_size = FIRST_BATCH_SIZE

    def run(self, groups: Iterable[CommentGroup]) -> None:
        """Import groups in order, in transactions for which other writers wait briefly."""
        pending: list[_Decision] = []
        for group in groups:
            pending += self._decide_group(group)
            while len(pending) >= BATCH_SIZE:
                self._finish(pending[:BATCH_SIZE])
                del pending[:BATCH_SIZE]
        self._finish(pending)

    def _decide_group(self, group: CommentGroup) -> list[_Decision]:
        comments, decisions, copies = list[SourceComment](), list[_Decision](), dict[str, str]()
        for comment in sorted(group.comments, key=lambda each: (each.created_at is None, each.created_at or now())):
            if not comment.key or comment.key in self._seen:
                reason = "an earlier comment has the same id" if comment.key else "it has no id"
                decisions.append(_Decision(group, comment, "failed", (reason,)))
            elif comment.disqus_id in self._seen_at_disqus:
                self._seen.add(comment.key)
                copies[comment.key] = self._seen_at_disqus[comment.disqus_id]
                reason = "another copy of the same Disqus comment was imported"
                decisions.append(_Decision(group, comment, "kept", (reason,)))
            else:
                if comment.disqus_id:
                    self._seen_at_disqus[comment.disqus_id] = comment.key
                self._seen.add(comment.key)
                comments.append(comment)
        with self.db.connect() as connection:
            keys = {key for comment in comments for key in (comment.key, comment.parent) if key}
            known = self.ledger.find_all(connection, KIND, keys)
            twins = self._disqus.find_all(connection, KIND, {r.disqus_id for r in comments if r.disqus_id})
            stored = _read_stored(connection, [entry.local_id for entry in (*known.values(), *twins.values())])
        sources = {comment.key for comment in comments} | known.keys() | group.absent.keys() | copies.keys()
        decided = dict[str, _Decision]()
        for comment in comments:
            key, twin = comment.key, twins.get(comment.disqus_id)
            if key not in known and twin:
                decision = _adopt(group, comment, stored.get(twin.local_id))
                known |= {key: ImportedRow(twin.local_id, comment.fingerprint)} if decision.is_adopted else {}
            else:
                is_orphan = comment.parent not in {"", *sources}
                decision = self._decide(group, comment, known.get(key), stored, is_orphan=is_orphan)
            decision.is_unnoted = bool(comment.disqus_id) and not twin
            decided[key] = decision
        states = {key: stored[entry.local_id]["state"] for key, entry in known.items() if entry.local_id in stored}
        for key, decision in decided.items():
            if decision.outcome in {"new", "updated"}:
                states[key] = decision.comment.state
        _hold_back(decided, stored, {entry.local_id: states[key] for key, entry in known.items() if key in states})
        taken = [decision.comment for key, decision in decided.items() if key in states]
        absent = {
            **group.absent,
            **copies,
            **{key: decision.comment.parent for key, decision in decided.items() if key not in states},
        }
        parents = find_visible_parents(taken, states, absent)
        for key, parent in parents.items():
            if parent != decided[key].comment.parent and decided[key].outcome == "new":
                place = "is attached to the comment above it" if parent else "becomes a top-level comment"
                decided[key].reasons += (f"its parent is not shown: it {place}",)
            decided[key].parent = parent
        order = [decided[comment.key] for comment in sort_parents_first(taken, parents)]
        return decisions + [decision for key, decision in decided.items() if key not in states] + order

    def _decide(
        self,
        group: CommentGroup,
        comment: SourceComment,
        known: ImportedRow | None,
        stored: Mapping[str, StoredComment],
        *,
        is_orphan: bool,
    ) -> _Decision:
        row = stored.get(known.local_id) if known else None
        fingerprint = comment.fingerprint + (_ORPHAN if is_orphan else "")
        if known is None:
            outcome: Outcome = "new"
        elif known.fingerprint == fingerprint:
            return _Decision(group, comment, "unchanged", local_id=row["id"] if row else None)
        elif row is None:
            return _Decision(group, comment, "kept", ("deleted in Broadsheet",))
        elif row["article_id"] != group.article_id:
            return _Decision(group, comment, "kept", ("it belongs to another article",))
        elif row["version"] != 1 or row["edited_at"] or row["state"] != known.fingerprint.partition(":")[0]:
            return _Decision(group, comment, "kept", ("edited or moderated in Broadsheet",))
        else:
            outcome = "updated"
        body = _EMPTY_BODY
        if comment.state != "removed":
            try:
                body = clean_html(comment.html)
            except ValueError as error:
                return _Decision(group, comment, "failed", (str(error),))
            if not body.text.strip():
                self.report.left_out["comments without a text"] += 1
                return _Decision(group, comment, "skipped")
        reasons = (*comment.notes, *(() if comment.created_at else ("it has no date; the article's is used",)))
        reasons = reasons if comment.state != "removed" else ()
        is_found = known is not None and known.fingerprint.endswith(_ORPHAN) and not is_orphan
        local_id = row["id"] if row else None
        reasons = tuple(dict.fromkeys(reasons))
        return _Decision(
            group, comment, outcome, reasons, "", body, local_id, fingerprint=fingerprint, finds_parent=is_found
        )

    def _finish(self, decisions: Sequence[_Decision]) -> None:
        written = [decision for decision in decisions if _is_written(decision)]
        while written and not self.report.dry_run:
            batch = written[: self._batch_size]
            self._adapt_batch_size(write_with_retries(self.db, partial(self._write, batch)) / len(batch))
            del written[: len(batch)]
        for decision in decisions:
            self.report.add("comments", decision.comment.key, decision.group.title, decision.outcome, decision.reasons)

    def _adapt_batch_size(self, seconds: float) -> None:
        """Let a transaction take what the last one took in these seconds for each comment, growing step by step."""
        fitting = int(MAX_TRANSACTION_SECONDS / max(seconds, 1e-6))
        self._batch_size = max(1, min(fitting, 2 * self._batch_size, BATCH_SIZE))

    def _write(self, decisions: Sequence[_Decision], session: Session) -> float:
        """Write comments, parents before replies; return the seconds that it took."""
        started, connection = time.monotonic(), session.connection()
        known = self.ledger.find_all(connection, KIND, {decision.parent for decision in decisions if decision.parent})
        ids = {key: entry.local_id for key, entry in known.items()}
        written = [decision.comment for decision in decisions if decision.outcome in {"new", "updated"}]
        authored = [comment for comment in written if comment.state != "removed"]
        people = find_or_create_people(session, self.ledger, authored)
        groups: dict[str, list[_Decision]] = {}
        for decision in decisions:
            assert decision.group.article_id is not None
            groups.setdefault(decision.group.article_id, []).append(decision)
        for article_id, members in groups.items():
            authors = list_author_ids(connection, article_id)
            new, changes = list[NewComment](), list[ChangedComment]()
            for decision in members:
                comment = decision.comment
                values = _build_values(decision, people.get(comment.person), authors)
                if decision.outcome == "new":
                    ids[comment.key] = new_id()
                    new.append(_build_new(decision, values, ids))
                    continue
                assert decision.local_id is not None
                ids[comment.key] = decision.local_id
                if decision.outcome == "updated":
                    moves, parent_id = decision.finds_parent, ids.get(decision.parent)
                    changes.append(ChangedComment(decision.local_id, comment.state, values, moves, parent_id))
            write_comments(session, article_id, new, changes)
        noted = {
            decision.comment.key: ImportedRow(
                ids[decision.comment.key], decision.fingerprint or decision.comment.fingerprint
            )
            for decision in decisions
            if decision.outcome in {"new", "updated"} or decision.is_adopted
        }
        fresh = {decision.comment.key for decision in decisions if decision.outcome == "new" or decision.is_adopted}
        twins = {
            decision.comment.disqus_id: ImportedRow(ids[decision.comment.key], "")
            for decision in decisions
            if decision.is_unnoted
        }
        self._disqus.add_all(connection, KIND, twins)
        self.ledger.add_all(connection, KIND, {key: noted[key] for key in fresh})
        for key in noted.keys() - fresh:
            self.ledger.record(connection, KIND, key, noted[key])
        return time.monotonic() - started


def _adopt(group: CommentGroup, comment: SourceComment, row: StoredComment | None) -> _Decision:
    """Keep a comment that was imported from the other system."""
    if row is None:
        return _Decision(group, comment, "kept", ("deleted in Broadsheet",))
    if row["article_id"] != group.article_id:
        return _Decision(group, comment, "kept", ("it belongs to another article",))
    reasons = ("it was imported from another export; it stays unchanged",)
    return _Decision(group, comment, "kept", reasons, local_id=row["id"], is_adopted=True)


def _is_written(decision: _Decision) -> bool:
    """Tell whether anything is written: the comment, or only its entry in the ledger."""
    return (
        decision.outcome in {"new", "updated"}
        or decision.is_adopted
        or (decision.is_unnoted and decision.local_id is not None)
    )


def _hold_back(
    decisions: Mapping[str, _Decision], stored: Mapping[str, StoredComment], states: Mapping[str, str]
) -> None:
    """Keep comments unchanged that would become visible under an invisible parent."""
    for decision in decisions.values():
        if not decision.local_id or decision.outcome != "updated":
            continue
        parent_id = stored[decision.local_id]["parent_id"]
        if parent_id and not can_be_under(decision.comment.state, states.get(parent_id, "published")):
            decision.outcome, decision.reasons = "kept", ("its parent is not shown",)


def _read_stored(connection: sa.Connection, ids: Sequence[str]) -> dict[str, StoredComment]:
    stored: dict[str, StoredComment] = {}
    for start in range(0, len(ids), BATCH_SIZE):
        part = _SELECT_STORED.where(COMMENT.c.id.in_(ids[start : start + BATCH_SIZE]))
        stored |= {row["id"]: row for row in fetch_rows(connection, part, StoredComment)}
    return stored


def _build_values(decision: _Decision, person: Person | None, authors: set[str]) -> JsonObject:
    """Return the values that inserts and updates share; those of a removed comment say nothing about its author."""
    comment, body = decision.comment, decision.body
    badges: list[str] = []
    if person and person.kind == "staff":
        badges = ["staff", "author"] if person.author_id in authors else ["staff"]
    return {
        "featured": comment.featured and comment.state == "published",
        "participant_id": person and person.id,
        "author_id": person.public_id if person else "",
        "author_name": public_name(comment.name) if person else "",
        "author_kind": person.kind if person else "guest",
        "badges": badges,
        "email": (comment.email.lower() or None) if person and person.kind == "guest" else None,
        "source": body.source,
        "html": body.html,
        "text": body.text,
        "fingerprint": body.fingerprint,
        "removed_by": "moderator" if comment.state == "removed" else None,
    }


def _build_new(decision: _Decision, values: JsonObject, ids: Mapping[str, str]) -> NewComment:
    comment, created_at = decision.comment, _limit_time(decision.comment.created_at or decision.group.at)
    up, down = (comment.upvotes, comment.downvotes) if comment.state != "removed" else (0, 0)
    more: JsonObject = {
        "upvotes": up,
        "downvotes": down,
        "best": wilson_score(up, down),
        "controversy": controversy_score(up, down),
        "notify": "none",
        "address_hash": None,
        "request": None,
        "approved_text": False,
        "version": 1,
        "edited_at": None,
    }
    return NewComment(ids[comment.key], ids.get(decision.parent), comment.state, created_at, {**values, **more})


def _limit_time(at: datetime | None) -> datetime:
    return min(at, now()) if at else now()

"""Comments on their way in: what becomes of each is decided by looking only, then all of it is written in batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.rendering import Body, clean_html
from app.comments.schemas import controversy_score, wilson_score
from app.core.clock import now
from app.core.ids import new_id
from app.db import Database
from app.db.columns import Row
from app.importers.discussion.people import Person, authors_of, people
from app.importers.discussion.remarks import Group, Remark
from app.importers.discussion.store import C, lay
from app.importers.discussion.threads import hosts, may_stand, parents_first
from app.importers.engine import patiently
from app.importers.ledger import Known, Ledger
from app.importers.report import Outcome, Report
from app.text.names import public_name

BATCH = 500
KIND = "comment"
_HERE = sa.select(C.c.id, C.c.article_id, C.c.parent_id, C.c.state, C.c.version, C.c.edited_at)
_ORPHAN = "?"  # ends the fingerprint of a reply while what it answers has not come
_NOTHING = Body(source="", html="", text="", links=(), fingerprint="")


@dataclass
class _Piece:
    """What is to be written of one remark."""

    group: Group
    remark: Remark
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    host: str = ""
    body: Body = _NOTHING
    local_id: str | None = None
    is_adopted: bool = False  # came from the other system first
    is_unnoted: bool = False  # its id at Disqus has still to be remembered
    fingerprint: str = ""  # to remember
    finds_parent: bool = False  # what it answers was not there when it came


class Arrivals:
    """One import's comments, group by group; a dry run leaves the writing out."""

    def __init__(self, db: Database, ledger: Ledger, report: Report) -> None:
        self.db, self.ledger, self.report = db, ledger, report
        self._disqus = Ledger("disqus")  # of both systems: ids at Disqus are unlike any other
        self._seen: set[str] = set()
        self._seen_at_disqus: dict[str, str] = {}

    def run(self, groups: Iterable[Group]) -> None:
        """Import groups in their order; each batch is written whole or not at all."""
        waiting: list[_Piece] = []
        for group in groups:
            waiting += self._decided(group)
            while len(waiting) >= BATCH:
                self._finish(waiting[:BATCH])
                del waiting[:BATCH]
        self._finish(waiting)

    def _decided(self, group: Group) -> list[_Piece]:
        remarks, pieces, copies = list[Remark](), list[_Piece](), dict[str, str]()
        for remark in sorted(group.remarks, key=lambda remark: (remark.created_at is None, remark.created_at or now())):
            if not remark.key or remark.key in self._seen:
                reason = "a comment before it has the same id" if remark.key else "it has no id to know it by"
                pieces.append(_Piece(group, remark, "failed", (reason,)))
            elif remark.disqus_id in self._seen_at_disqus:
                self._seen.add(remark.key)
                copies[remark.key] = self._seen_at_disqus[remark.disqus_id]
                pieces.append(_Piece(group, remark, "kept", ("another copy of the same comment at Disqus came",)))
            else:
                if remark.disqus_id:
                    self._seen_at_disqus[remark.disqus_id] = remark.key
                self._seen.add(remark.key)
                remarks.append(remark)
        with self.db.connect() as connection:
            keys = {key for remark in remarks for key in (remark.key, remark.parent) if key}
            known = self.ledger.all_known(connection, KIND, keys)
            twins = self._disqus.all_known(connection, KIND, {r.disqus_id for r in remarks if r.disqus_id})
            here = _rows(connection, [entry.local_id for entry in (*known.values(), *twins.values())])
        there = {remark.key for remark in remarks} | known.keys() | group.absent.keys() | copies.keys()
        found = dict[str, _Piece]()
        for remark in remarks:
            key, twin = remark.key, twins.get(remark.disqus_id)
            if key not in known and twin:
                piece = _adopted(group, remark, here.get(twin.local_id))
                known |= {key: Known(twin.local_id, remark.fingerprint)} if piece.is_adopted else {}
            else:
                piece = self._one(group, remark, known.get(key), here, is_orphan=remark.parent not in {"", *there})
            piece.is_unnoted = bool(remark.disqus_id) and not twin
            found[key] = piece
        states = {key: here[entry.local_id]["state"] for key, entry in known.items() if entry.local_id in here}
        for key, piece in found.items():
            if piece.outcome in {"new", "updated"}:
                states[key] = piece.remark.state
        _hold_back(found, here, {entry.local_id: states[key] for key, entry in known.items() if key in states})
        taken = [piece.remark for key, piece in found.items() if key in states]
        absent = {
            **group.absent,
            **copies,
            **{key: piece.remark.parent for key, piece in found.items() if key not in states},
        }
        host = hosts(taken, states, absent)
        for key, above in host.items():
            if above != found[key].remark.parent and found[key].outcome == "new":
                where = "stands under the one above that" if above else "stands at the top"
                found[key].reasons += (f"what it answers is not shown here: it {where}",)
            found[key].host = above
        order = [found[remark.key] for remark in parents_first(taken, host)]
        return pieces + [piece for key, piece in found.items() if key not in states] + order

    def _one(
        self, group: Group, remark: Remark, known: Known | None, here: dict[str, Row], *, is_orphan: bool
    ) -> _Piece:
        row = here.get(known.local_id) if known else None
        fingerprint = remark.fingerprint + (_ORPHAN if is_orphan else "")
        if known is None:
            outcome: Outcome = "new"
        elif known.fingerprint == fingerprint:
            return _Piece(group, remark, "unchanged", local_id=row["id"] if row else None)
        elif row is None:
            return _Piece(group, remark, "kept", ("deleted here",))
        elif row["article_id"] != group.article_id:
            return _Piece(group, remark, "kept", ("it stands under another article here",))
        elif row["version"] != 1 or row["edited_at"] or row["state"] != known.fingerprint.partition(":")[0]:
            return _Piece(group, remark, "kept", ("edited or moderated here",))
        else:
            outcome = "updated"
        body = _NOTHING
        if remark.state != "removed":
            try:
                body = clean_html(remark.html)
            except ValueError as error:
                return _Piece(group, remark, "failed", (str(error),))
            if not body.text.strip():
                self.report.left_out["comments without a text"] += 1
                return _Piece(group, remark, "skipped")
        reasons = (*remark.notes, *(() if remark.created_at else ("it has no date; that of the article is taken",)))
        reasons = reasons if remark.state != "removed" else ()
        is_found = known is not None and known.fingerprint.endswith(_ORPHAN) and not is_orphan
        local_id = row["id"] if row else None
        reasons = tuple(dict.fromkeys(reasons))
        return _Piece(
            group, remark, outcome, reasons, "", body, local_id, fingerprint=fingerprint, finds_parent=is_found
        )

    def _finish(self, pieces: Sequence[_Piece]) -> None:
        written = [piece for piece in pieces if _is_written(piece)]
        if written and not self.report.dry_run:
            patiently(self.db, lambda session: self._write(session, written))
        for piece in pieces:
            self.report.add("comments", piece.remark.key, piece.group.title, piece.outcome, piece.reasons)

    def _write(self, session: Session, pieces: Sequence[_Piece]) -> None:
        connection = session.connection()
        known = self.ledger.all_known(connection, KIND, {piece.host for piece in pieces if piece.host})
        ids = {key: entry.local_id for key, entry in known.items()}
        written = [piece.remark for piece in pieces if piece.outcome in {"new", "updated"}]
        persons = people(session, self.ledger, [remark for remark in written if remark.state != "removed"])
        groups: dict[str, list[_Piece]] = {}
        for piece in pieces:
            assert piece.group.article_id is not None
            groups.setdefault(piece.group.article_id, []).append(piece)
        for article_id, members in groups.items():
            writers, rows, changes = authors_of(connection, article_id), list[Any](), list[Any]()
            for piece in members:
                remark = piece.remark
                values = _values(piece, persons.get(remark.person), writers)
                if piece.outcome not in {"new", "updated"}:
                    assert piece.local_id is not None
                    ids[remark.key] = piece.local_id
                elif piece.outcome == "new":
                    ids[remark.key] = new_id()
                    rows.append(_new(piece, values, ids, article_id))
                else:
                    assert piece.local_id is not None
                    ids[remark.key] = piece.local_id
                    moved = {"parent_id": ids.get(piece.host)} if piece.finds_parent else {}
                    changes.append({**values, **moved, "id": piece.local_id})
            lay(session, article_id, rows, changes)
        noted = {
            piece.remark.key: Known(ids[piece.remark.key], piece.fingerprint or piece.remark.fingerprint)
            for piece in pieces
            if piece.outcome in {"new", "updated"} or piece.is_adopted
        }
        fresh = {piece.remark.key for piece in pieces if piece.outcome == "new" or piece.is_adopted}
        twins = {piece.remark.disqus_id: Known(ids[piece.remark.key], "") for piece in pieces if piece.is_unnoted}
        self._disqus.note_all(connection, KIND, twins)
        self.ledger.note_all(connection, KIND, {key: noted[key] for key in fresh})
        for key in noted.keys() - fresh:
            self.ledger.note(connection, KIND, key, noted[key])


def _adopted(group: Group, remark: Remark, row: Row | None) -> _Piece:
    """A comment that the export of the other system brought already."""
    if row is None:
        return _Piece(group, remark, "kept", ("deleted here",))
    if row["article_id"] != group.article_id:
        return _Piece(group, remark, "kept", ("it stands under another article here",))
    reasons = ("another export brought it already: it stays as it is",)
    return _Piece(group, remark, "kept", reasons, local_id=row["id"], is_adopted=True)


def _is_written(piece: _Piece) -> bool:
    """Whether anything is to be written for it: the comment, or only what ties it to its source."""
    return piece.outcome in {"new", "updated"} or piece.is_adopted or (piece.is_unnoted and piece.local_id is not None)


def _hold_back(pieces: dict[str, _Piece], here: dict[str, Row], states: dict[str, str]) -> None:
    """Leave as it is what would be shown now, but stands here under something that is not."""
    for piece in pieces.values():
        above = here[piece.local_id]["parent_id"] if piece.local_id and piece.outcome == "updated" else None
        if above and not may_stand(piece.remark.state, under=states.get(above, "published")):
            piece.outcome, piece.reasons = "kept", ("what it answers is not shown here",)


def _rows(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for start in range(0, len(ids), BATCH):
        part = _HERE.where(C.c.id.in_(ids[start : start + BATCH]))
        found |= {row["id"]: row for row in connection.execute(part).mappings()}
    return found


def _values(piece: _Piece, person: Person | None, writers: set[str]) -> dict[str, Any]:
    """What an update writes as well; a removed comment holds nothing of its author."""
    remark, body = piece.remark, piece.body
    badges: list[str] = []
    if person and person.kind == "staff":
        badges = ["staff", "author"] if person.author_id in writers else ["staff"]
    return {
        "state": remark.state,
        "featured": remark.featured and remark.state == "published",
        "participant_id": person and person.id,
        "author_id": person.public_id if person else "",
        "author_name": public_name(remark.name) if person else "",
        "author_kind": person.kind if person else "guest",
        "badges": badges,
        "email": (remark.email.lower() or None) if person and person.kind == "guest" else None,
        "source": body.source,
        "html": body.html,
        "text": body.text,
        "fingerprint": body.fingerprint,
        "removed_by": "moderator" if remark.state == "removed" else None,
    }


def _new(piece: _Piece, values: dict[str, Any], ids: dict[str, str], article_id: str) -> dict[str, Any]:
    remark, at = piece.remark, _time(piece.remark.created_at or piece.group.at)
    up, down = (remark.upvotes, remark.downvotes) if remark.state != "removed" else (0, 0)
    return {
        **values,
        "id": ids[remark.key],
        "article_id": article_id,
        "parent_id": ids.get(piece.host),
        "anchor_id": None,
        "upvotes": up,
        "downvotes": down,
        "best": wilson_score(up, down),
        "controversy": controversy_score(up, down),
        "notify": "none",
        "address_hash": None,
        "request": None,
        "approved_text": False,
        "version": 1,
        "created_at": at,
        "edited_at": None,
    }


def _time(at: datetime | None) -> datetime:
    return min(at, now()) if at else now()

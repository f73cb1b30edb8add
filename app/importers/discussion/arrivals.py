"""Comments on their way in: what becomes of each is decided by looking only, then all of it is written in batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.comments.body import Body, from_html
from app.comments.schemas import best, controversy
from app.importers.discussion.people import Person, authors_of, people
from app.importers.discussion.remarks import Group, Remark
from app.importers.discussion.store import C, lay
from app.importers.discussion.threads import hosts, may_stand, parents_first
from app.importers.engine import patiently
from app.importers.ledger import Known, Ledger
from app.importers.report import Outcome, Report
from app.kit.clock import now
from app.kit.db import Database
from app.kit.ids import new_id
from app.kit.names import public_name
from app.kit.schema import Row

BATCH = 500
KIND = "comment"
_HERE = sa.select(C.c.id, C.c.article_id, C.c.parent_id, C.c.state, C.c.version, C.c.edited_at)
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


class Arrivals:
    """One import's comments, group by group; a dry run leaves the writing out."""

    def __init__(self, db: Database, ledger: Ledger, report: Report) -> None:
        self.db, self.ledger, self.report = db, ledger, report
        self._seen: set[str] = set()

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
        remarks, pieces = list[Remark](), list[_Piece]()
        for remark in sorted(group.remarks, key=lambda remark: (remark.created_at is None, remark.created_at or now())):
            if not remark.key or remark.key in self._seen:
                reason = "a comment before it has the same id" if remark.key else "it has no id to know it by"
                pieces.append(_Piece(group, remark, "failed", (reason,)))
            else:
                self._seen.add(remark.key)
                remarks.append(remark)
        with self.db.connect() as connection:
            keys = {key for remark in remarks for key in (remark.key, remark.parent) if key}
            known = self.ledger.all_known(connection, KIND, keys)
            here = _rows(connection, [entry.local_id for entry in known.values()])
        found = {remark.key: self._one(group, remark, known.get(remark.key), here) for remark in remarks}
        states = {key: here[entry.local_id]["state"] for key, entry in known.items() if entry.local_id in here}
        for key, piece in found.items():
            if piece.outcome in {"new", "updated"}:
                states[key] = piece.remark.state
        _hold_back(found, here, {entry.local_id: states[key] for key, entry in known.items() if key in states})
        taken = [piece.remark for key, piece in found.items() if key in states]
        absent = {**group.absent, **{key: piece.remark.parent for key, piece in found.items() if key not in states}}
        host = hosts(taken, states, absent)
        for key, above in host.items():
            if above != found[key].remark.parent and found[key].outcome == "new":
                where = "stands under the one above that" if above else "stands at the top"
                found[key].reasons += (f"what it answers is not shown here: it {where}",)
            found[key].host = above
        order = [found[remark.key] for remark in parents_first(taken, host)]
        return pieces + [piece for key, piece in found.items() if key not in states] + order

    def _one(self, group: Group, remark: Remark, known: Known | None, here: dict[str, Row]) -> _Piece:
        row = here.get(known.local_id) if known else None
        if known is None:
            outcome: Outcome = "new"
        elif known.fingerprint == remark.fingerprint:
            return _Piece(group, remark, "unchanged")
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
                body = from_html(remark.html)
            except ValueError as error:
                return _Piece(group, remark, "failed", (str(error),))
            if not body.text.strip():
                self.report.left_out["comments without a text"] += 1
                return _Piece(group, remark, "skipped")
        reasons = (*remark.notes, *(() if remark.created_at else ("it has no date; that of the article is taken",)))
        reasons = reasons if remark.state != "removed" else ()
        return _Piece(group, remark, outcome, tuple(dict.fromkeys(reasons)), "", body, row["id"] if row else None)

    def _finish(self, pieces: Sequence[_Piece]) -> None:
        written = [piece for piece in pieces if piece.outcome in {"new", "updated"}]
        if written and not self.report.dry_run:
            patiently(self.db, lambda session: self._write(session, written))
        for piece in pieces:
            self.report.add("comments", piece.remark.key, piece.group.title, piece.outcome, piece.reasons)

    def _write(self, session: Session, pieces: Sequence[_Piece]) -> None:
        connection = session.connection()
        known = self.ledger.all_known(connection, KIND, {piece.host for piece in pieces if piece.host})
        ids = {key: entry.local_id for key, entry in known.items()}
        persons = people(session, self.ledger, [piece.remark for piece in pieces if piece.remark.state != "removed"])
        groups: dict[str, list[_Piece]] = {}
        for piece in pieces:
            assert piece.group.article_id is not None
            groups.setdefault(piece.group.article_id, []).append(piece)
        for article_id, members in groups.items():
            writers, rows, changes = authors_of(connection, article_id), list[Any](), list[Any]()
            for piece in members:
                remark = piece.remark
                values = _values(piece, persons.get(remark.person), writers)
                if piece.outcome == "new":
                    ids[remark.key] = new_id()
                    rows.append(_new(piece, values, ids, article_id))
                else:
                    assert piece.local_id is not None
                    ids[remark.key] = piece.local_id
                    changes.append({**values, "id": piece.local_id})
            lay(session, article_id, rows, changes)
        noted = {piece.remark.key: Known(ids[piece.remark.key], piece.remark.fingerprint) for piece in pieces}
        fresh = {piece.remark.key for piece in pieces if piece.outcome == "new"}
        self.ledger.note_all(connection, KIND, {key: noted[key] for key in fresh})
        for key in noted.keys() - fresh:
            self.ledger.note(connection, KIND, key, noted[key])


def _hold_back(pieces: dict[str, _Piece], here: dict[str, Row], states: dict[str, str]) -> None:
    """Leave as it is what would be shown now, but stands here under something that is not."""
    for piece in pieces.values():
        above = here[piece.local_id]["parent_id"] if piece.local_id else None
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
        "best": best(up, down),
        "controversy": controversy(up, down),
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

"""What facts of the log cause here."""

from typing import Any

from sqlmodel import Session, select

from app.events.actions import emit
from app.events.schemas import Entry
from app.fronts.events import FrontChanged
from app.fronts.tables import Front


def follow_merge(session: Session, entry: Entry) -> None:
    """Let blocks that were limited to a term that was merged be limited to the other one."""
    into, kind = entry.payload.get("into"), entry.type.partition(".")[0]
    if not into:
        return
    for front in session.exec(select(Front).with_for_update()):
        for name in ("published", "draft"):
            layout: dict[str, Any] | None = getattr(front, name)
            if layout and any(block["only"].get(kind) == entry.subject_id for block in layout["blocks"]):
                blocks = [_moved(block, kind, str(entry.subject_id), into) for block in layout["blocks"]]
                setattr(front, name, {**layout, "blocks": blocks})
                if name == "published":
                    emit(session, FrontChanged(subject_id=front.id, slug=front.slug))


def _moved(block: dict[str, Any], kind: str, old: str, new: str) -> dict[str, Any]:
    if block["only"].get(kind) != old:
        return block
    return {**block, "only": {**block["only"], kind: new}}

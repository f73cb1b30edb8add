"""What is noted of what partners were given."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from app.publication.schemas import Level


class Receipt(NamedTuple):
    """One article that a partner was given."""

    article_id: str
    revision: int
    level: Level


class Ledger(Protocol):
    """Keeps receipts: `app.state.ledger`, of the room above."""

    def note(self, key_id: str, receipts: Sequence[Receipt]) -> None: ...

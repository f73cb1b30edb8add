"""Giving partners what they may have, and noting it."""

from collections.abc import Sequence
from typing import Any

import pydantic_core

from app.articles.partners.schemas import Ledger, Receipt
from app.identity.schemas import Actor

_WITHOUT: dict[str, dict[str, Any]] = {"full": {}, "excerpt": {}, "headline": {"dek": None, "excerpt": ""}}


def cut(article: dict[str, Any] | None) -> dict[str, Any] | None:
    """As much of an article as its level says; None for nothing."""
    level = article["rights"]["syndication"] if article else "none"
    if article is None or level == "none":
        return None
    found = {**article, **_WITHOUT[level]}
    if level != "full":
        found.pop("body", None)
    if beside := found.get("neighbours"):
        found["neighbours"] = {side: cut(other) for side, other in beside.items()}
    return found


def cut_sides(body: bytes) -> bytes:
    """The neighbours of an article, each cut to its level."""
    return pydantic_core.to_json({side: cut(other) for side, other in pydantic_core.from_json(body).items()})


def hand_over(ledger: Ledger, actor: Actor, articles: Sequence[bytes]) -> list[bytes]:
    """Articles as JSON, each cut to its level; what is handed over is noted."""
    found = [article for article in map(cut, map(pydantic_core.from_json, articles)) if article is not None]
    receipts = [Receipt(article["id"], article["revision"], article["rights"]["syndication"]) for article in found]
    ledger.note(str(actor.id), receipts)
    return [pydantic_core.to_json(article) for article in found]

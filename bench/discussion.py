"""An article with a long discussion, and guests who continue it."""

import random
import uuid
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.articles.tables import Article, ArticleTally
from app.comments.schemas import controversy_score, wilson_score
from app.comments.tables import Comment
from app.db.columns import table_of
from app.identity.tables import Participant
from app.identity.tokens import hash_token

Row = dict[str, Any]
COMMENTS, GUESTS = 20_000, 500
TOP = 0.6  # share of top-level comments; the others reply to any earlier comment
_STEP = timedelta(seconds=7)


def list_guest_tokens() -> list[str]:
    """Return the guests' tokens, which are the same in every run."""
    rng = random.Random(GUESTS)
    parts = [f"{rng.getrandbits(256):064x}" for _ in range(GUESTS)]
    return [f"bg_{part}{zlib.crc32(part.encode()):08x}" for part in parts]


def _build_guests(moment: datetime) -> list[Row]:
    rows = []
    for n, token in enumerate(list_guest_tokens()):
        number = uuid.UUID(int=n + 1, version=4)
        row = {"id": str(number), "kind": "guest", "public_id": number.hex, "name": f"Guest {n}", "approved": 0}
        rows.append({**row, "token_hash": hash_token(token), "rejected": 0, "created_at": moment})
    return rows


def _generate_comments(rng: random.Random, article: Any, guests: list[Row], text: list[str]) -> Iterator[Row]:
    """Generate threads of any depth, in the order of time, with counters of replies."""
    made: list[Row] = []
    for n in range(COMMENTS):
        comment_id, guest = str(uuid.UUID(int=rng.getrandbits(128), version=4)), rng.choice(guests)
        parent = None if not made or rng.random() < TOP else made[rng.randrange(max(0, n - 2000), n)]
        ups, downs, words = int(rng.paretovariate(1)) - 1, int(rng.paretovariate(1.5)) - 1, rng.choice(text)
        row = {"id": comment_id, "article_id": article.id, "state": "published", "listed": True, "replies": 0}
        row |= {"parent_id": parent["id"] if parent else None, "root_id": parent["root_id"] if parent else comment_id}
        row |= {"under_id": parent["id"] if parent else article.id, "depth": parent["depth"] + 1 if parent else 0}
        row |= {
            "upvotes": ups,
            "downvotes": downs,
            "best": wilson_score(ups, downs),
            "controversy": controversy_score(ups, downs),
        }
        row |= {"participant_id": guest["id"], "author_id": guest["public_id"], "author_name": guest["name"]}
        row |= {"author_kind": "guest", "badges": [], "notify": "none", "fingerprint": f"{rng.getrandbits(128):032x}"}
        row |= {"source": words, "text": words, "html": f"<p>{words}</p>", "featured": False, "approved_text": False}
        row |= {"version": 1, "created_at": article.published_at + _STEP * n}
        if parent:
            parent["replies"] += 1
        made.append(row)
    yield from made


def seed_discussion(connection: sa.Connection, text: list[str]) -> None:
    """Add a discussion to the newest public article; `text` has the words of comments."""
    article = table_of(Article)
    newest = (
        sa.select(article.c.id, article.c.published_at).where(article.c.public).order_by(article.c.listed_at.desc())
    )
    found = connection.execute(newest.limit(1)).one()
    guests = _build_guests(found.published_at)
    connection.execute(sa.insert(table_of(Participant)), guests)
    rows = list(_generate_comments(random.Random(COMMENTS), found, guests, text))
    connection.execute(sa.insert(table_of(Comment)), rows)
    tally = {"article_id": found.id, "comments": COMMENTS, "inline": 0, "reactions": {}}
    connection.execute(sa.insert(table_of(ArticleTally)).values(tally))

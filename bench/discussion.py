"""Discussions of very different lengths, and guests who continue them."""

import random
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from app.articles.tables import ArticleTally
from app.comments.schemas import controversy_score, wilson_score
from app.comments.tables import Comment
from app.db.columns import table_of
from app.identity.tables import Participant
from app.identity.tokens import hash_token
from bench.copies import NEWEST_SLICE, build_id, end_of

Row = dict[str, Any]
COMMENTS_PER_ARTICLE, GUESTS = 10, 500
TOP = 0.6  # share of top-level comments; the others reply to any earlier comment


class Discussed(NamedTuple):
    """A public article."""

    id: str
    published_at: datetime


def list_guest_tokens() -> list[str]:
    """Return the guests' tokens, which are the same in every run."""
    rng = random.Random(GUESTS)
    parts = [f"{rng.getrandbits(256):064x}" for _ in range(GUESTS)]
    return [f"bg_{part}{zlib.crc32(part.encode()):08x}" for part in parts]


def _build_guests(moment: datetime) -> list[Row]:
    rows = []
    for n, token in enumerate(list_guest_tokens()):
        guest_id = build_id(moment, n)
        row = {"id": guest_id, "kind": "guest", "public_id": guest_id.replace("-", ""), "name": f"Guest {n}"}
        rows.append({**row, "token_hash": hash_token(token), "approved": 0, "rejected": 0, "created_at": moment})
    return rows


def _generate_comments(
    rng: random.Random, article: Discussed, number: int, guests: list[Row], texts: list[str]
) -> list[Row]:
    """Generate threads of any depth, in the order of time, most soon after the article, with counters of replies."""
    made: list[Row] = []
    left = (end_of(NEWEST_SLICE) - article.published_at) // timedelta(milliseconds=1) - 1
    delays = sorted(int(rng.random() ** 3 * left) for _ in range(number))
    for n, delay in enumerate(delays):
        moment = article.published_at + timedelta(milliseconds=delay)
        comment_id, guest = build_id(moment, rng.getrandbits(62)), rng.choice(guests)
        parent = None if not made or rng.random() < TOP else made[rng.randrange(max(0, n - 2000), n)]
        ups, downs, words = int(rng.paretovariate(1)) - 1, int(rng.paretovariate(1.5)) - 1, rng.choice(texts)
        row = {"id": comment_id, "article_id": article.id, "state": "published", "listed": True, "replies": 0}
        row |= {"parent_id": parent["id"] if parent else None, "root_id": parent["root_id"] if parent else comment_id}
        row |= {"under_id": parent["id"] if parent else article.id, "depth": parent["depth"] + 1 if parent else 0}
        row |= {"upvotes": ups, "downvotes": downs, "best": wilson_score(ups, downs)}
        row |= {"controversy": controversy_score(ups, downs), "version": 1, "created_at": moment}
        row |= {"participant_id": guest["id"], "author_id": guest["public_id"], "author_name": guest["name"]}
        row |= {"author_kind": "guest", "badges": [], "notify": "none", "fingerprint": f"{rng.getrandbits(128):032x}"}
        row |= {"source": words, "text": words, "html": f"<p>{words}</p>", "featured": False, "approved_text": False}
        if parent:
            parent["replies"] += 1
        made.append(row)
    return made


def _share_comments(articles: int, comments: int) -> list[int]:
    """Share comments among articles: two fifths for the first, the others by Zipf's law."""
    first, total = comments * 2 // 5, sum(1 / place for place in range(1, articles))
    return [first, *(round((comments - first) / total / place) for place in range(1, articles))]


def seed_discussions(connection: sa.Connection, articles: Sequence[Discussed], texts: list[str]) -> list[Row]:
    """Add ten times as many comments as articles; the newest gets the most, the others in random order.

    Return the rows of the comments.
    """
    rng, rows, tallies = random.Random(len(articles)), list[Row](), list[Row]()
    guests = _build_guests(articles[0].published_at)
    connection.execute(sa.insert(table_of(Participant)), guests)
    order = [articles[-1], *rng.sample(articles[:-1], len(articles) - 1)]
    for article, number in zip(
        order, _share_comments(len(articles), COMMENTS_PER_ARTICLE * len(articles)), strict=True
    ):
        if number:
            rows += _generate_comments(rng, article, number, guests, texts)
            tallies.append({"article_id": article.id, "comments": number, "inline": 0, "reactions": {}})
    rows.sort(key=lambda row: row["created_at"])
    connection.execute(sa.insert(table_of(Comment)), rows)
    connection.execute(sa.insert(table_of(ArticleTally)), tallies)
    return rows

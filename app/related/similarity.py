"""How near two texts are, and which of many an article is linked to."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from app.related.analysis import is_paired, likeness

LENGTH = 10_000  # of a vector: weights and scores are whole numbers, so that every order of adding gives the same
TERMS = 50  # of a text
AGAIN = 0.6  # the power of a stem's count
STORED = 20  # links of an article
EACH_AUTHOR = 4  # links before those of others are preferred
FLOOR = 600  # what shares less is not linked
SHARED = 2  # words at least: one may be a name that two people bear
RUN = 16  # letters of a word that is put together again
COPY = 0.5  # of the shingles: near copies
SHOWN = 5  # terms that tell why
OLD, HALF_LIFE = 0.15, 180  # how much the oldest loses against the same in a newer article, and days for half of that


class Vector(NamedTuple):
    """A text as others are compared with it."""

    article_id: str
    listed_at: datetime
    author_id: str | None
    terms: Mapping[int, int]  # weights by term, the strongest first
    signature: bytes
    labels: Mapping[int, str]  # the terms as the text writes them


class Link(NamedTuple):
    """A link to another article."""

    target_id: str
    score: int
    terms: list[str]
    author_id: str | None
    signature: bytes
    deferred: bool = False


def weigh(counts: Mapping[str, int], articles: Mapping[str, int], total: int) -> dict[str, int]:
    """The strongest stems of a text, TF-IDF on the unit sphere: `articles` have each, of a `total` in the language.

    Being said again counts less each time.
    """
    raw = {
        stem: math.pow(count, AGAIN) * math.log1p(total / max(1, articles.get(stem, 1)))
        for stem, count in counts.items()
    }
    best = _strongest(sorted(raw, key=lambda stem: (-raw[stem], stem)))
    length = math.sqrt(sum(raw[stem] ** 2 for stem in best)) or 1.0
    return {stem: weight for stem in best if (weight := round(LENGTH * raw[stem] / length))}


def _strongest(stems: Sequence[str]) -> list[str]:
    """The first of these; in scripts without spaces it takes about two pieces to make a word."""
    room, kept = 2 * TERMS, []
    for stem in stems:
        room -= 1 if not stem.isascii() and is_paired(stem) else 2
        if room < 0:
            break
        kept.append(stem)
    return kept


def cosine(one: Mapping[int, int], other: Mapping[int, int]) -> int:
    """0 for nothing in common to 10,000 for the same terms in the same proportion."""
    return sum(weight * other[term] for term, weight in one.items() if term in other) // LENGTH


def _prior(of: datetime, target: datetime) -> float:
    """The older of two that are equally near comes second: years cost up to 15 %, being newer costs nothing."""
    days = max(0.0, (of - target).total_seconds() / 86_400)
    return 1.0 - OLD * (1.0 - math.pow(0.5, days / HALF_LIFE))


def score(of: Vector, target: Vector) -> int:
    """What the link is worth to a reader of the one article, 0 to 10,000."""
    return int(cosine(of.terms, target.terms) * _prior(of.listed_at, target.listed_at))


def link(of: Vector, target: Vector) -> Link | None:
    """The link from one article to another, or None: too far apart, itself, or the same text again."""
    shared = [term for term in of.terms if term in target.terms]
    if of.article_id == target.article_id or len(shared) < SHARED or (worth := score(of, target)) < FLOOR:
        return None
    shared.sort(key=lambda term: (-of.terms[term] * target.terms[term], term))
    words = together([of.labels[term] for term in shared[: 4 * SHOWN]])
    if len(words) < SHARED or likeness(of.signature, target.signature) >= COPY:
        return None
    return Link(target.article_id, worth, words[:SHOWN], target.author_id, target.signature)


def together(labels: Sequence[str]) -> list[str]:
    """Pieces, which stand for words in scripts without spaces, put together where one goes on another."""
    words: list[str] = []
    for label in labels:
        if len(label) < 2 or label.isascii() or not is_paired(label):
            words.append(label)
            continue
        runs = [word for word in words if len(word) < RUN and is_paired(word)]
        common = len(label) - 1
        before = next((word for word in runs if word.endswith(label[:-1])), "")
        after = next((word for word in runs if word.startswith(label[1:]) and word != before), "")
        place = min((words.index(word) for word in (before, after) if word), default=len(words))
        words = [word for word in words if word not in (before, after)]
        words.insert(place, (before[:-common] if before else "") + label + after[common:])
    return words


def _value(candidate: Link) -> tuple[int, str]:
    return candidate.score, candidate.target_id


def pick(candidates: Iterable[Link], dropped: Callable[[Link], None] = lambda _: None) -> list[Link]:
    """The links that are kept, the best first; of near copies only the best, and few of one author before all others.

    `dropped` hears of near copies that were left out.
    """
    first: list[Link] = []
    later: list[Link] = []
    written: Counter[str | None] = Counter()
    for candidate in sorted(candidates, key=_value, reverse=True):
        many = candidate.author_id is not None and written[candidate.author_id] >= EACH_AUTHOR
        if many and len(first) + len(later) >= STORED:
            continue
        if any(likeness(candidate.signature, other.signature) >= COPY for other in (*first, *later)):
            dropped(candidate)
            continue
        (later if many else first).append(candidate._replace(deferred=many))
        written[candidate.author_id] += 1
        if len(first) == STORED:
            break
    return (first + later)[:STORED]

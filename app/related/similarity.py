"""Similarity of texts, and the choice of an article's links."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from app.related.analysis import estimate_similarity, is_spaceless

VECTOR_LENGTH = 10_000  # norm of a vector; integer weights make sums independent of their order
MAX_TERMS = 50  # per text
REPETITION_EXPONENT = 0.6  # exponent of a stem's count
MAX_LINKS = 20  # per article
MAX_LINKS_PER_AUTHOR = 4  # after which other authors are preferred
MIN_SCORE = 600
MIN_SHARED_TERMS = 2  # a single shared word may be a name that two people have
MAX_JOINED_LENGTH = 16  # letters of a word joined from pieces
COPY_SIMILARITY = 0.5  # share of equal shingles in near copies
MAX_SHOWN_TERMS = 5  # terms shown as the reason
MAX_AGE_PENALTY = 0.15  # largest loss of an old article's score
AGE_HALF_LIFE_DAYS = 180  # after which half of it applies


class Vector(NamedTuple):
    """The comparable form of a text."""

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


def weigh_stems(counts: Mapping[str, int], articles: Mapping[str, int], total: int) -> dict[str, int]:
    """Return the strongest stems of a text with normalized TF-IDF weights.

    `articles` is the number of articles with each stem, `total` the number in the language. Repetitions count less
    each time.
    """
    raw = {
        stem: math.pow(count, REPETITION_EXPONENT) * math.log1p(total / max(1, articles.get(stem, 1)))
        for stem, count in counts.items()
    }
    best = _take_strongest(sorted(raw, key=lambda stem: (-raw[stem], stem)))
    length = math.sqrt(sum(raw[stem] ** 2 for stem in best)) or 1.0
    return {stem: weight for stem in best if (weight := round(VECTOR_LENGTH * raw[stem] / length))}


def _take_strongest(stems: Sequence[str]) -> list[str]:
    """Take the first stems; in scripts without spaces two pieces count as one word."""
    room, strongest = 2 * MAX_TERMS, []
    for stem in stems:
        room -= 1 if not stem.isascii() and is_spaceless(stem) else 2
        if room < 0:
            break
        strongest.append(stem)
    return strongest


def cosine_similarity(terms: Mapping[int, int], other_terms: Mapping[int, int]) -> int:
    """Return the cosine similarity of two vectors, 0 to 10,000."""
    return sum(weight * other_terms[term] for term, weight in terms.items() if term in other_terms) // VECTOR_LENGTH


def _age_factor(of: datetime, target: datetime) -> float:
    """Return the factor for the target's age: 1 if it is newer, down to 0.85 for very old articles."""
    days = max(0.0, (of - target).total_seconds() / 86_400)
    return 1.0 - MAX_AGE_PENALTY * (1.0 - math.pow(0.5, days / AGE_HALF_LIFE_DAYS))


def score_link(of: Vector, target: Vector) -> int:
    """Return the score of a link from one article to another, 0 to 10,000."""
    return int(cosine_similarity(of.terms, target.terms) * _age_factor(of.listed_at, target.listed_at))


def create_link(of: Vector, target: Vector) -> Link | None:
    """Return the link from one article to another, or None if they are too different, identical or near copies."""
    shared = [term for term in of.terms if term in target.terms]
    if (
        of.article_id == target.article_id
        or len(shared) < MIN_SHARED_TERMS
        or (worth := score_link(of, target)) < MIN_SCORE
    ):
        return None
    shared.sort(key=lambda term: (-of.terms[term] * target.terms[term], term))
    words = join_pieces([of.labels[term] for term in shared[: 4 * MAX_SHOWN_TERMS]])
    if len(words) < MIN_SHARED_TERMS or estimate_similarity(of.signature, target.signature) >= COPY_SIMILARITY:
        return None
    return Link(target.article_id, worth, words[:MAX_SHOWN_TERMS], target.author_id, target.signature)


def join_pieces(labels: Sequence[str]) -> list[str]:
    """Join overlapping pieces of words in scripts without spaces."""
    words: list[str] = []
    for label in labels:
        if len(label) < 2 or label.isascii() or not is_spaceless(label):
            words.append(label)
            continue
        runs = [word for word in words if len(word) < MAX_JOINED_LENGTH and is_spaceless(word)]
        common = len(label) - 1
        before = next((word for word in runs if word.endswith(label[:-1])), "")
        after = next((word for word in runs if word.startswith(label[1:]) and word != before), "")
        place = min((words.index(word) for word in (before, after) if word), default=len(words))
        words = [word for word in words if word not in (before, after)]
        words.insert(place, (before[:-common] if before else "") + label + after[common:])
    return words


def _sort_key(candidate: Link) -> tuple[int, str]:
    return candidate.score, candidate.target_id


def pick_links(candidates: Iterable[Link], on_copy: Callable[[Link], None] = lambda _: None) -> list[Link]:
    """Choose the links to keep, best first: only the best of near copies, and at first few per author.

    `on_copy` is called with near copies that are left out.
    """
    first: list[Link] = []
    later: list[Link] = []
    links_by_author: Counter[str | None] = Counter()
    for candidate in sorted(candidates, key=_sort_key, reverse=True):
        is_deferred = candidate.author_id is not None and links_by_author[candidate.author_id] >= MAX_LINKS_PER_AUTHOR
        if is_deferred and len(first) + len(later) >= MAX_LINKS:
            continue
        if any(
            estimate_similarity(candidate.signature, other.signature) >= COPY_SIMILARITY for other in (*first, *later)
        ):
            on_copy(candidate)
            continue
        (later if is_deferred else first).append(candidate._replace(deferred=is_deferred))
        links_by_author[candidate.author_id] += 1
        if len(first) == MAX_LINKS:
            break
    return (first + later)[:MAX_LINKS]

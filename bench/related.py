"""`python -m bench.related TEXTS PAIRS`: compare the score of related articles with human judgements."""

import argparse
import csv
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import sqlalchemy as sa

from app.articles.reading import ARTICLE
from app.db import open_database
from app.related.analysis import analyze_text
from app.related.linking import TEXT, vector_of
from app.related.similarity import Vector, score_link, weigh_stems

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
DEPTH = 5
HELP = """
TEXTS is a CSV file with the columns `id`, `title` (may be empty) and `text`, and optionally `language` (BCP 47, default
en) and `published_at` (RFC 3339); or the URL of a store, sqlite:///… or postgresql://…, whose public articles are
compared. PAIRS is a CSV file with the columns `a`, `b` (ids of TEXTS; of a store ids or slugs) and `score`: how related
people judged the two, on any scale; several judgements are averaged.

nDCG@5: each article ranks the articles it was judged with; gains are the judgements, scaled to 0 to 1. The first figure
counts articles with at least one related article, the second all. AUC: the probability that a related pair has a higher
score than another; pairs are related if they were judged above the middle of the scale, or at least --related.
"""


class Figures(NamedTuple):
    """The quality of a score."""

    articles: int
    pairs: int
    related: int  # related pairs
    ranked: int  # articles with a related article
    ndcg: float  # of these
    ndcg_of_all: float
    auc: float


Judged = Mapping[tuple[str, str], float]


def read_texts(path: Path) -> dict[str, Vector]:
    """Read the texts of a file as vectors."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    analyses = {row["id"]: analyze_text(row.get("language") or "en", row["title"], row["text"]) for row in rows}
    total: Counter[str] = Counter(analysis.language for analysis in analyses.values())
    articles = Counter((analysis.language, stem) for analysis in analyses.values() for stem in analysis.counts)
    numbers = {stem: number for number, stem in enumerate(articles)}
    found = {}
    for row in rows:
        analysis = analyses[row["id"]]
        language = analysis.language
        have = {stem: articles[language, stem] for stem in analysis.counts}
        weights = weigh_stems(analysis.counts, have, total[language])
        terms = {numbers[language, stem]: weight for stem, weight in weights.items()}
        at = datetime.fromisoformat(row["published_at"]) if row.get("published_at") else EPOCH
        labels = {numbers[language, stem]: analysis.labels[stem] for stem in weights}
        found[row["id"]] = Vector(row["id"], at, None, terms, analysis.signature, labels)
    return found


def read_store(url: str) -> dict[str, Vector]:
    """Read the texts of a store by id and by slug."""
    db, found = open_database(url), {}
    with db.connect() as connection:
        query = sa.select(TEXT, ARTICLE.c.slug).join(ARTICLE, ARTICLE.c.id == TEXT.c.article_id)
        for row in connection.execute(query).mappings():
            found[row["article_id"]] = found[row["slug"]] = vector_of(row)
    for engine in db.engines():
        engine.dispose()
    return found


def read_pairs(path: Path) -> dict[tuple[str, str], float]:
    """Read the judgements, averaged by pair."""
    judged: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            a, b = sorted((row["a"], row["b"]))
            if a != b:
                judged[a, b].append(float(row["score"]))
    return {pair: sum(scores) / len(scores) for pair, scores in judged.items()}


def compute_auc(scores: Iterable[float], related: Iterable[bool]) -> float:
    """Return the area under the ROC curve, with average ranks for ties."""
    rows = sorted(zip(scores, related, strict=True))
    yes = sum(is_related for _, is_related in rows)
    ranks, at = 0.0, 0
    while at < len(rows):
        end = at
        while end < len(rows) and rows[end][0] == rows[at][0]:
            end += 1
        ranks += (at + 1 + end) / 2 * sum(is_related for _, is_related in rows[at:end])
        at = end
    return (ranks - yes * (yes + 1) / 2) / (yes * (len(rows) - yes))


def compute_ndcg(scores: Mapping[tuple[str, str], float], gains: Judged) -> dict[str, float]:
    """Return nDCG@5 of each article; articles without gains are left out."""
    judged: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for (a, b), gain in gains.items():
        judged[a].append((scores[a, b], gain))
        judged[b].append((scores[b, a], gain))
    found = {}
    for article, rows in judged.items():
        best = sorted((gain for _, gain in rows), reverse=True)
        if ideal := _discount_gains(best):
            found[article] = _discount_gains(_rank_gains(rows)) / ideal
    return found


def _rank_gains(rows: Iterable[tuple[float, float]]) -> Iterator[float]:
    """Return the gains in the order of scores, averaged over ties."""
    for _, same in groupby(sorted(rows, key=lambda row: -row[0]), key=lambda row: row[0]):
        gains = [gain for _, gain in same]
        yield from [fmean(gains)] * len(gains)


def _discount_gains(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in zip(range(DEPTH), gains, strict=False))


def compute_figures(texts: Mapping[str, Vector], pairs: Judged, at_least: float | None = None) -> Figures:
    """Return the quality of the score of the app."""
    known = {pair: judged for pair, judged in pairs.items() if pair[0] in texts and pair[1] in texts}
    least, greatest = min(known.values()), max(known.values())
    middle = at_least if at_least is not None else (least + greatest) / 2
    scores = {}
    for a, b in known:
        scores[a, b], scores[b, a] = float(score_link(texts[a], texts[b])), float(score_link(texts[b], texts[a]))
    gains = {pair: (judged - least) / (greatest - least) for pair, judged in known.items()}
    related = [judged >= middle if at_least is not None else judged > middle for judged in known.values()]
    area = compute_auc([max(scores[a, b], scores[b, a]) for a, b in known], related)
    every = compute_ndcg(scores, gains)
    ranked = {
        name for pair, is_related in zip(known, related, strict=True) if is_related for name in pair
    } & every.keys()
    articles = {name for pair in known for name in pair}
    means = fmean(every[name] for name in ranked), fmean(every.values())
    return Figures(len(articles), len(known), sum(related), len(ranked), *means, area)


def main() -> int:
    """Print the figures; return 1 if no pair is known."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.related", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", metavar="TEXTS")
    parser.add_argument("pairs", metavar="PAIRS", type=Path)
    parser.add_argument("--related", type=float, metavar="SCORE", help="judgement from which a pair counts as related")
    options = parser.parse_args()
    texts = read_store(options.texts) if "://" in options.texts else read_texts(Path(options.texts))
    pairs = read_pairs(options.pairs)
    if not any(a in texts and b in texts for a, b in pairs):
        print("None of the pairs is of these texts.", file=sys.stderr)
        return 1
    found = compute_figures(texts, pairs, options.related)
    print(f"{found.articles} articles, {found.pairs} judged pairs, {found.related} of them related")
    print(f"nDCG@{DEPTH} {found.ndcg:.3f} over {found.ranked} articles, {found.ndcg_of_all:.3f} over all")
    print(f"AUC    {found.auc:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The figures of related links: reckoned right, and good on a few stories of our own."""

from itertools import combinations
from pathlib import Path

import pytest

from bench.related import compute_auc, compute_figures, compute_ndcg, read_pairs, read_texts

STORIES = Path(__file__).parent / "stories.csv"


def test_the_figures_are_those_of_the_books() -> None:
    assert compute_auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == 0.75
    assert compute_auc([1, 1, 1, 1], [False, True, False, True]) == 0.5
    gains = {("a", "b"): 1.0, ("a", "c"): 0.0}
    good = {("a", "b"): 2.0, ("b", "a"): 2.0, ("a", "c"): 1.0, ("c", "a"): 1.0}
    assert compute_ndcg(good, gains) == {"a": 1.0, "b": 1.0}  # nothing is to be had for c
    assert compute_ndcg({**good, ("a", "c"): 3.0}, gains) == pytest.approx({"a": 0.6309, "b": 1.0}, abs=1e-3)
    assert compute_ndcg({**good, ("a", "c"): 2.0}, gains)["a"] == pytest.approx(
        (1 + 0.6309) / 2, abs=1e-3
    )  # in either order


def test_stories_of_one_matter_are_found_among_others(tmp_path: Path) -> None:
    """A small corpus, written for this test: four reports of each of six matters, named in their ids."""
    texts = read_texts(STORIES)
    judged = (f"{a},{b},{int(a.split('-')[0] == b.split('-')[0])}" for a, b in combinations(texts, 2))
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("\n".join(["a,b,score", *judged]))
    found = compute_figures(texts, read_pairs(pairs))
    assert (found.articles, found.pairs, found.related, found.ranked) == (24, 276, 36, 24)
    assert found.ndcg >= 0.95
    assert found.auc >= 0.98


def test_judgements_are_averaged_and_may_have_a_threshold(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text(
        "a,b,score\nferry-1,ferry-2,5\nferry-2,ferry-1,3\nferry-1,court-1,1\nferry-3,court-2,2\nx,ferry-1,5"
    )
    judged = read_pairs(pairs)
    assert judged["ferry-1", "ferry-2"] == 4.0
    assert compute_figures(read_texts(STORIES), judged).related == 1
    assert compute_figures(read_texts(STORIES), judged, 2.0).related == 2


def test_what_nothing_is_related_to_ranks_nothing() -> None:
    judged = {("ferry-1", "ferry-2"): 4.0, ("ferry-1", "court-1"): 0.0}
    judged |= {("court-2", "court-3"): 0.0, ("court-2", "court-4"): 0.0, ("court-2", "flood-1"): 0.5}
    found = compute_figures(read_texts(STORIES), judged)
    assert (found.ranked, found.ndcg) == (2, 1.0)
    assert 0.5 < found.ndcg_of_all < 1.0

"""How near two texts are, and which links are kept."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random

import pytest

from app.related.similarity import (
    MAX_LINKS,
    MAX_LINKS_PER_AUTHOR,
    MIN_SCORE,
    VECTOR_LENGTH,
    Link,
    Vector,
    cosine_similarity,
    create_link,
    join_pieces,
    pick_links,
    score_link,
    weigh_stems,
)
from tests.effort import effort

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def vector(name: str, days: int = 0, **weights: int) -> Vector:
    terms = {int(term[1:]): weight for term, weight in weights.items()}
    labels = {term: f"word {term}" for term in terms}
    return Vector(name, NOW - timedelta(days=days), None, terms, Random(name).randbytes(128), labels)


def candidate(number: int, worth: int, author: str | None = None, signature: bytes | None = None) -> Link:
    return Link(f"{number:03}", worth, [], author, signature or Random(number).randbytes(128))


def test_what_is_rare_weighs_more_and_the_strongest_fifty_are_kept() -> None:
    found = weigh_stems({"rare": 1, "common": 1, "often": 3}, {"rare": 1, "common": 90, "often": 90}, 100)
    assert list(found) == ["rare", "often", "common"]
    assert round(sum(weight**2 for weight in found.values()) ** 0.5 / VECTOR_LENGTH, 3) == 1.0
    assert len(weigh_stems({f"w{n}": 1 for n in range(80)}, {}, 1000)) == 50
    assert weigh_stems({}, {}, 0) == {}


def test_saying_it_again_counts_less_each_time() -> None:
    once, often = sorted(weigh_stems({"a": 1, "b": 32}, {}, 10).values())
    assert round(often / once, 1) == 8.0


def test_scripts_without_spaces_have_twice_as_many_pieces() -> None:
    pieces = {chr(0x4E00 + n) + chr(0x4E00 + n + 1): 1 for n in range(150)}
    assert len(weigh_stems(pieces, {}, 10)) == 100
    assert len(weigh_stems({f"w{n}": 20 for n in range(40)} | pieces, {}, 10)) == 40 + 20


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["宪法", "法院", "的"], ["宪法院", "的"]),
        (["法院", "律师", "宪法"], ["宪法院", "律师"]),
        (["ェリ", "フェ", "港湾", "リー"], ["フェリー", "港湾"]),
        (["นทาง", "ินทา", "เดิน", "ดินท"], ["เดินทาง"]),
        (["harbour", "bourbon"], ["harbour", "bourbon"]),
        (["aa", "ab"], ["aa", "ab"]),
        ([], []),
    ],
)
def test_pieces_are_put_together_to_be_read(pieces: list[str], words: list[str]) -> None:
    assert join_pieces(pieces) == words


def test_one_name_in_pieces_is_one_word_and_makes_no_link() -> None:
    own, other = vector("own", t1=7000, t2=7000), vector("other", t1=7000, t2=7000)
    assert create_link(own, other) is not None
    assert create_link(own._replace(labels={1: "特朗", 2: "朗普"}), other) is None


def test_the_same_is_one_and_nothing_in_common_is_none() -> None:
    one, other = vector("a", t1=6000, t2=8000), vector("b", t3=10_000)
    assert cosine_similarity(one.terms, one.terms) == VECTOR_LENGTH
    assert cosine_similarity(one.terms, other.terms) == 0


def test_of_two_that_are_equally_near_the_newer_is_better_but_not_by_much() -> None:
    own = vector("own", t1=6000, t2=8000)
    scores = [score_link(own, vector("other", days, t1=6000, t2=8000)) for days in (-400, 0, 180, 3650)]
    assert scores[0] == scores[1] == VECTOR_LENGTH
    assert scores[1] > scores[2] > scores[3] > 0.84 * VECTOR_LENGTH


def test_a_link_needs_two_common_terms_and_some_nearness_and_another_text() -> None:
    own = vector("own", t1=6000, t2=7900, t3=1000)
    made = create_link(own, vector("other", t1=6000, t2=8000))
    assert made is not None
    assert (made.target_id, made.terms) == ("other", ["word 2", "word 1"])
    assert create_link(own, own._replace(signature=b"\1" * 128)) is None
    assert create_link(own, vector("other", t1=10_000)) is None
    assert create_link(own, vector("other", t1=400, t3=400, t9=9980)) is None
    assert create_link(own, own._replace(article_id="other")) is None  # the same text under another name
    assert made.score > MIN_SCORE


def test_the_best_are_kept_in_order() -> None:
    found = pick_links(candidate(n, 1000 + n) for n in range(40))
    assert [kept.score for kept in found] == list(range(1039, 1039 - MAX_LINKS, -1))


def test_one_author_stands_behind_the_others_after_a_few() -> None:
    mine, others = [candidate(n, 5000 + n, "me") for n in range(9)], [candidate(n, 1000, f"{n}") for n in range(10, 14)]
    found = pick_links([*mine, *others])
    assert [kept.author_id for kept in found[:MAX_LINKS_PER_AUTHOR]] == ["me"] * MAX_LINKS_PER_AUTHOR
    assert {kept.author_id for kept in found[MAX_LINKS_PER_AUTHOR : MAX_LINKS_PER_AUTHOR + 4]} == {
        "10",
        "11",
        "12",
        "13",
    }
    assert [kept.deferred for kept in found[MAX_LINKS_PER_AUTHOR + 4 :]] == [True] * 5
    assert (
        len(pick_links(candidate(n, 1000 + n, "me") for n in range(30))) == MAX_LINKS
    )  # a site of one author has links too


def test_of_near_copies_the_best_is_kept_whatever_the_order() -> None:
    same = Random(0).randbytes(128)
    rows = [candidate(1, 900, signature=same), candidate(2, 950, signature=same), candidate(3, 920)]
    dropped: list[Link] = []
    for order in permutations(rows):
        assert [kept.target_id for kept in pick_links(order, dropped.append)] == ["002", "003"]
    assert {link.target_id for link in dropped} == {"001"}


@pytest.mark.long
def test_adding_one_to_a_full_list_is_the_same_as_picking_from_all() -> None:
    rng = Random(7)
    for _ in range(effort("ROUNDS", 5, long=100)):
        rows = [candidate(n, rng.randrange(1000), rng.choice(["a", "b", "c", None])) for n in range(60)]
        kept = pick_links(rows[:1])
        for number, row in enumerate(rows[1:], 2):
            kept = pick_links([*kept, row])
            assert kept == pick_links(rows[:number])

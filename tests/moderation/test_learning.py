"""Learning: what is counted can be taken back, says nothing of anybody, and speaks only when it knows enough."""

import random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db import Database
from app.moderation.forgetting import erase_person
from app.moderation.learning import LEARNED, TEXT_COUNT_ROW, TOKEN, learn_comment, spam_probability
from app.moderation.text_analysis import (
    MAX_TOKENS,
    MIN_LEARNED_TEXTS,
    ClassCounts,
    combine_shares,
    is_trained,
    tokenize,
)
from tests.moderation.stock import comment, participant, stored

pytestmark = pytest.mark.portable

Article = dict[str, Any]
SPAM = "Cheap pills online casino bonus click here today"
HAM = "The council voted about schools and roads yesterday"


def learn(db: Database, comment_id: str, text: str, spam: bool | None) -> None:
    """A moderator's decision."""
    with db.transaction() as session:
        learn_comment(session, comment_id, text, spam)


def counted(db: Database) -> dict[int, tuple[int, int]]:
    """What is counted, without what has come to nothing."""
    rows = stored(db, TOKEN)
    return {row["token"]: (row["spam"], row["ham"]) for row in rows if row["spam"] or row["ham"]}


def test_the_same_words_are_the_same_tokens() -> None:
    assert tokenize("Cheap PILLS, cheap pills!") == tokenize("pills cheap")
    assert tokenize("ｃｈｅａｐ") == tokenize("cheap")
    assert tokenize("a I 1 !") == []
    assert len(tokenize("笨蛋东西")) == 3  # two letters at a time
    assert tokenize("don't") != tokenize("don t")
    assert len(tokenize(" ".join(map(str, range(10, 1000))))) == MAX_TOKENS
    assert tokenize("x" * 41) == tokenize("x" * 40)


def test_hosts_of_links_are_tokens() -> None:
    links = ("https://www.bad.example/a", "https://bad.example/b?c", "mailto:somebody", "http://[::1")
    assert tokenize("", links) == tokenize("", links[:1])
    assert tokenize("bad.example") != tokenize("", links)


def test_tokens_fit_every_store() -> None:
    assert all(0 < token < 2**63 for token in tokenize(" ".join(map(str, range(10, 160)))))


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=80), st.integers(20, 500))
@settings(derandomize=True, max_examples=200)
def test_a_score_stays_within_its_bounds(words: list[tuple[int, int]], each: int) -> None:
    found = combine_shares(
        ClassCounts(each, each), [ClassCounts(min(spam, each), min(ham, each)) for spam, ham in words]
    )
    assert 0.0 <= found <= 1.0
    turned = combine_shares(
        ClassCounts(each, each), [ClassCounts(min(ham, each), min(spam, each)) for spam, ham in words]
    )
    assert abs(found + turned - 1) < 1e-9


def test_a_score_follows_what_was_counted() -> None:
    learned_texts = ClassCounts(100, 100)
    assert combine_shares(learned_texts, [ClassCounts(30, 0)] * 10) > 0.999
    assert combine_shares(learned_texts, [ClassCounts(0, 30)] * 10) < 0.001
    assert combine_shares(learned_texts, [ClassCounts(20, 20)] * 50) == 0.5
    assert combine_shares(learned_texts, [ClassCounts(30, 0)] * 4) == 0.5  # too few words to tell
    assert 0.1 < combine_shares(learned_texts, [ClassCounts(30, 0)] * 10 + [ClassCounts(0, 30)] * 10) < 0.9
    assert combine_shares(ClassCounts(19, 1000), [ClassCounts(19, 0)] * 10) == 0.5
    assert combine_shares(ClassCounts(1000, 20), [ClassCounts(500, 10)] * 10) == 0.5  # shares count, not numbers


def test_nothing_is_said_before_enough_is_learned() -> None:
    assert not is_trained(ClassCounts(MIN_LEARNED_TEXTS, MIN_LEARNED_TEXTS - 1))
    assert not is_trained(ClassCounts(MIN_LEARNED_TEXTS - 1, MIN_LEARNED_TEXTS))
    assert is_trained(ClassCounts(MIN_LEARNED_TEXTS, MIN_LEARNED_TEXTS))


def test_a_text_is_learned_once(db: Database, article: Article) -> None:
    one = comment(db, article, SPAM)
    for _ in range(2):
        learn(db, one, SPAM, True)
    assert counted(db) == dict.fromkeys((TEXT_COUNT_ROW, *tokenize(SPAM)), (1, 0))


def test_another_decision_moves_it(db: Database, article: Article) -> None:
    one, other = comment(db, article, SPAM), comment(db, article, SPAM)
    learn(db, one, SPAM, True)
    learn(db, other, SPAM, True)
    learn(db, one, SPAM, False)
    assert counted(db) == dict.fromkeys((TEXT_COUNT_ROW, *tokenize(SPAM)), (1, 1))
    learn(db, one, SPAM, None)
    learn(db, one, SPAM, None)
    assert counted(db) == dict.fromkeys((TEXT_COUNT_ROW, *tokenize(SPAM)), (1, 0))
    assert [row["comment_id"] for row in stored(db, LEARNED)] == [other]


def test_what_was_learned_is_taken_back_after_an_edit(db: Database, article: Article) -> None:
    one = comment(db, article, SPAM)
    learn(db, one, SPAM, True)
    learn(db, one, HAM, False)
    assert counted(db) == dict.fromkeys((TEXT_COUNT_ROW, *tokenize(HAM)), (0, 1))


def test_where_a_comment_links_to_is_learned(db: Database, article: Article) -> None:
    html = '<p><a href="https://www.bad.example/x">See this</a></p>'
    learn(db, comment(db, article, "See this", html=html), "See this", True)
    assert set(counted(db)) == {TEXT_COUNT_ROW, *tokenize("See this", ("https://bad.example",))}


def test_no_words_are_kept(db: Database, article: Article) -> None:
    learn(db, comment(db, article, SPAM), SPAM, True)
    assert "casino" not in f"{stored(db, TOKEN)} {stored(db, LEARNED)}".lower()


def test_erasing_leaves_only_counts(db: Database, article: Article) -> None:
    one, other = comment(db, article, SPAM), comment(db, article, HAM)
    learn(db, one, SPAM, True)
    learn(db, other, HAM, False)
    before = counted(db)
    with db.transaction() as session:
        erase_person(session, [], None, [one])
    assert [row["comment_id"] for row in stored(db, LEARNED)] == [other]
    assert counted(db) == before


def test_it_tells_the_classes_apart(db: Database, article: Article) -> None:
    rng = random.Random(1)
    both = [f"word{n}" for n in range(200)]
    bad, good = [f"bad{n}" for n in range(60)], [f"good{n}" for n in range(60)]

    def made(own: list[str]) -> str:
        return " ".join(rng.sample(both, 20) + rng.sample(own, 8))

    texts = [(made(own), own is bad) for _ in range(MIN_LEARNED_TEXTS + 10) for own in (bad, good)]
    author = participant(db)
    ids = [comment(db, article, text, participant_id=author) for text, _ in texts]
    with db.transaction() as session:
        for comment_id, (text, is_spam) in zip(ids, texts, strict=True):
            learn_comment(session, comment_id, text, is_spam)
    with db.transaction() as session:
        row = session.execute(sa.select(TOKEN.c.spam, TOKEN.c.ham).where(TOKEN.c.token == TEXT_COUNT_ROW)).one()
        known = ClassCounts(*row)
        assert known == (30, 30)
        scores = [
            (spam_probability(session, known, made(bad)), spam_probability(session, known, made(good)))
            for _ in range(20)
        ]
    assert sum(spam >= 0.9 for spam, _ in scores) >= 18
    assert not [ham for _, ham in scores if ham >= 0.9]

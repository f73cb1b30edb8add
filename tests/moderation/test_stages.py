"""The stages one by one, and what becomes of what several of them find."""

from datetime import timedelta
from typing import Any

import pytest

from app.comments.moderation import Banned, CheckerVerdict, DuplicateComment
from app.core.clock import now
from app.core.problems import TooManyRequests
from app.moderation import pipeline
from app.moderation.checker import UNAVAILABLE
from app.moderation.pipeline import DAY_SECONDS, MINUTE_SECONDS, STAGES, AuthorHistory, run_stages
from app.moderation.text_analysis import Phrases
from tests.moderation.cases import STRANGER, case, submission

LINKS = "[a](https://a.example) [b](https://b.example) [c](https://c.example)"


def test_the_stages_stand_in_their_order() -> None:
    names = "banned flood repeat shadow_ban phrases links new_author local_bayes external mode"
    assert [name for name, _ in STAGES] == names.split()
    assert [stage(case()) for _, stage in STAGES] == [None] * len(STAGES)
    assert run_stages(case()) == ("published", ())


def test_who_is_banned_is_refused() -> None:
    for kind in ("guest", "reader", "staff"):
        with pytest.raises(Banned):
            run_stages(case(submission(kind=kind), AuthorHistory(banned=True)))


@pytest.mark.parametrize(
    ("name", "age", "least", "most"),
    [
        ("author_minute", 20, 38, 40),
        ("address_minute", 59, 1, 2),
        ("author_minute", 600, 1, 1),
        ("author_minute", -600, MINUTE_SECONDS, MINUTE_SECONDS),
        ("author_day", 3600, DAY_SECONDS - 3602, DAY_SECONDS - 3598),
        ("address_day", 3600, DAY_SECONDS - 3602, DAY_SECONDS - 3598),
    ],
)
def test_a_flood_is_refused_and_told_when_it_is_over(name: str, age: int, least: int, most: int) -> None:
    known = AuthorHistory(**{name: now() - timedelta(seconds=age)})
    with pytest.raises(TooManyRequests) as refused:
        pipeline.check_flood(case(known=known))
    assert least <= int((refused.value.headers or {})["Retry-After"]) <= most


def test_a_repeat() -> None:
    with pytest.raises(DuplicateComment):
        pipeline.check_repeat(case(known=AuthorHistory(repeats_here=1, articles=5)))
    assert pipeline.check_repeat(case(known=AuthorHistory(articles=1))) is None
    assert pipeline.check_repeat(case(known=AuthorHistory(articles=2))) == ("spam", "under 3 articles")
    assert (
        pipeline.check_repeat(case(submission("Thank you!"), AuthorHistory(articles=2))) is None
    )  # as many people say


@pytest.mark.parametrize(
    "where", [{"text": "Buy viagra"}, {"name": "Viagra"}, {"text": "[Look](https://viagra.example/)"}]
)
def test_phrases_are_found_in_all_that_is_shown(where: dict[str, Any]) -> None:
    phrases = Phrases([("1", "viagra", "word", "hold")])
    assert pipeline.check_phrases(case(submission(**where), phrases=phrases)) == ("pending", "1")
    assert pipeline.check_phrases(case(submission(), phrases=phrases)) is None


def test_the_strictest_phrase_decides() -> None:
    phrases = Phrases([("1", "one", "word", "hold"), ("2", "two", "word", "spam"), ("3", "three", "word", "reject")])
    found = [
        pipeline.check_phrases(case(submission(text), phrases=phrases))
        for text in ("one two three", "three one", "one")
    ]
    assert found == [("spam", "2"), ("rejected", "3"), ("pending", "1")]


def test_links_beyond_the_most() -> None:
    assert pipeline.check_links(case(submission(LINKS))) == ("pending", "3 links")
    assert pipeline.check_links(case(submission(LINKS), settings={"max_links": 3})) is None
    assert pipeline.check_links(case(submission("https://a.example"), settings={"max_links": 0})) == (
        "pending",
        "1 links",
    )


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"approved": 0}, "0 of 2 approved"),
        ({"approved": 5}, "0 of 2 approved"),  # whoever holds a token, or has typed an address
        ({"approved": 5, "email": "typed@site.example"}, "0 of 2 approved"),
        ({"approved": 1, "confirmed_at": now()}, "1 of 2 approved"),
        ({"approved": 2, "confirmed_at": now()}, None),
        ({"approved": 1, "kind": "reader"}, "1 of 2 approved"),
        ({"approved": 2, "kind": "reader"}, None),
    ],
)
def test_new_authors_wait(fields: dict[str, Any], found: str | None) -> None:
    new = case(submission(participant={**STRANGER, **fields}), settings={"moderate_new_authors": 2})
    assert pipeline.check_new_author(new) == (found and ("pending", found))
    assert pipeline.check_new_author(case(submission(participant={**STRANGER, **fields}))) is None


@pytest.mark.parametrize(
    ("likely", "state"), [(0.0, None), (0.5, None), (0.899, None), (0.9, "pending"), (0.989, "pending"), (0.99, "spam")]
)
def test_what_looks_like_spam(likely: float, state: str | None) -> None:
    found = pipeline.check_spam_probability(case(spam_probability=lambda: likely))
    assert (found and found.state) == state


@pytest.mark.parametrize(
    ("opinion", "found"),
    [
        (None, None),
        (CheckerVerdict("publish", "fine"), None),
        (CheckerVerdict("hold", "odd"), ("pending", "odd")),
        (CheckerVerdict("reject"), ("rejected", "")),
        (CheckerVerdict("spam"), ("spam", "")),
        (UNAVAILABLE, ("pending", "unavailable")),
    ],
)
def test_what_the_checker_says(opinion: CheckerVerdict | None, found: tuple[str, str] | None) -> None:
    assert pipeline.apply_checker_verdict(case(checker_verdict=opinion)) == found


def test_a_checker_that_is_away_is_never_passed_over() -> None:
    away = case(checker_verdict=UNAVAILABLE, settings={"checker_on_unavailable": "publish"})
    assert run_stages(away) == ("published", (("external", "unavailable"),))


def test_the_mode_of_the_article() -> None:
    assert pipeline.check_moderation_mode(case(submission(moderation="pre"))) == ("pending", "pre")
    assert pipeline.check_moderation_mode(case(submission(must_wait=True))) == ("pending", "waits")


def test_what_holds_adds_up_and_what_refuses_ends_it() -> None:
    phrases = Phrases([("1", "well", "word", "hold"), ("2", "badly", "word", "reject")])
    held = run_stages(
        case(
            submission("Well " + LINKS, moderation="pre"),
            phrases=phrases,
            checker_verdict=CheckerVerdict("hold", "odd"),
        )
    )
    assert held == ("pending", (("phrases", "1"), ("links", "3 links"), ("external", "odd"), ("mode", "pre")))
    assert run_stages(case(submission("Badly " + LINKS), phrases=phrases)) == ("rejected", (("phrases", "2"),))
    worse = run_stages(case(submission(LINKS, moderation="pre"), checker_verdict=CheckerVerdict("spam")))
    assert worse == ("spam", (("links", "3 links"), ("external", "")))


def test_staff_are_not_judged() -> None:
    known = AuthorHistory(author_minute=now(), repeats_here=1, articles=9)
    assert (
        run_stages(case(submission(LINKS, kind="staff", moderation="pre"), known, checker_verdict=UNAVAILABLE)).reasons
        == ()
    )

"""The stages one by one, and what becomes of what several of them find."""

from datetime import timedelta
from typing import Any

import pytest

from app.comments.schemas import Banned, DuplicateComment
from app.core.clock import now
from app.core.problems import TooManyRequests
from app.moderation import pipeline
from app.moderation.pipeline import STAGES, passed
from app.moderation.rule_schemas import A_DAY, A_MINUTE, UNAVAILABLE, Opinion, Phrases, Standing
from tests.moderation.cases import STRANGER, case, submission

LINKS = "[a](https://a.example) [b](https://b.example) [c](https://c.example)"


def test_the_stages_stand_in_their_order() -> None:
    names = "banned flood repeat phrases links new_author local_bayes external mode"
    assert [stage.__name__ for stage in STAGES] == names.split()
    assert [stage(case()) for stage in STAGES] == [None] * len(STAGES)
    assert passed(case()) == ("published", ())


def test_who_is_banned_is_refused() -> None:
    for kind in ("guest", "reader", "staff"):
        with pytest.raises(Banned):
            passed(case(submission(kind=kind), Standing(banned=True)))


@pytest.mark.parametrize(
    ("name", "age", "least", "most"),
    [
        ("author_minute", 20, 38, 40),
        ("address_minute", 59, 1, 2),
        ("author_minute", 600, 1, 1),
        ("author_minute", -600, A_MINUTE, A_MINUTE),
        ("author_day", 3600, A_DAY - 3602, A_DAY - 3598),
        ("address_day", 3600, A_DAY - 3602, A_DAY - 3598),
    ],
)
def test_a_flood_is_refused_and_told_when_it_is_over(name: str, age: int, least: int, most: int) -> None:
    known = Standing(**{name: now() - timedelta(seconds=age)})
    with pytest.raises(TooManyRequests) as refused:
        pipeline.flood(case(known=known))
    assert least <= int((refused.value.headers or {})["Retry-After"]) <= most


def test_a_repeat() -> None:
    with pytest.raises(DuplicateComment):
        pipeline.repeat(case(known=Standing(repeats_here=1, articles=5)))
    assert pipeline.repeat(case(known=Standing(articles=1))) is None
    assert pipeline.repeat(case(known=Standing(articles=2))) == ("spam", "under 3 articles")
    assert pipeline.repeat(case(submission("Thank you!"), Standing(articles=2))) is None  # as many people say


@pytest.mark.parametrize("where", [{"text": "Buy viagra"}, {"name": "Viagra"}, {"links": ("https://viagra.example/",)}])
def test_phrases_are_found_in_all_that_is_shown(where: dict[str, Any]) -> None:
    phrases = Phrases([("1", "viagra", "word", "hold")])
    assert pipeline.phrases(case(submission(**where), phrases=phrases)) == ("pending", "1")
    assert pipeline.phrases(case(submission(), phrases=phrases)) is None


def test_the_strictest_phrase_decides() -> None:
    phrases = Phrases([("1", "one", "word", "hold"), ("2", "two", "word", "spam"), ("3", "three", "word", "reject")])
    found = [
        pipeline.phrases(case(submission(text), phrases=phrases)) for text in ("one two three", "three one", "one")
    ]
    assert found == [("spam", "2"), ("rejected", "3"), ("pending", "1")]


def test_links_beyond_the_most() -> None:
    assert pipeline.links(case(submission(LINKS))) == ("pending", "3 links")
    assert pipeline.links(case(submission(LINKS), settings={"max_links": 3})) is None
    assert pipeline.links(case(submission("https://a.example"), settings={"max_links": 0})) == ("pending", "1 links")


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
    assert pipeline.new_author(new) == (found and ("pending", found))
    assert pipeline.new_author(case(submission(participant={**STRANGER, **fields}))) is None


@pytest.mark.parametrize(
    ("likely", "state"), [(0.0, None), (0.5, None), (0.899, None), (0.9, "pending"), (0.989, "pending"), (0.99, "spam")]
)
def test_what_looks_like_spam(likely: float, state: str | None) -> None:
    found = pipeline.local_bayes(case(likeness=lambda: likely))
    assert (found and found.state) == state


@pytest.mark.parametrize(
    ("opinion", "found"),
    [
        (None, None),
        (Opinion("publish", "fine"), None),
        (Opinion("hold", "odd"), ("pending", "odd")),
        (Opinion("reject"), ("rejected", "")),
        (Opinion("spam"), ("spam", "")),
        (UNAVAILABLE, ("pending", "unavailable")),
    ],
)
def test_what_the_checker_says(opinion: Opinion | None, found: tuple[str, str] | None) -> None:
    assert pipeline.external(case(opinion=opinion)) == found


def test_a_checker_that_is_away_is_never_passed_over() -> None:
    away = case(opinion=UNAVAILABLE, settings={"checker_on_unavailable": "publish"})
    assert passed(away) == ("published", (("external", "unavailable"),))


def test_the_mode_of_the_article() -> None:
    assert pipeline.mode(case(submission(moderation="pre"))) == ("pending", "pre")
    assert pipeline.mode(case(submission(must_wait=True))) == ("pending", "waits")


def test_what_holds_adds_up_and_what_refuses_ends_it() -> None:
    phrases = Phrases([("1", "well", "word", "hold"), ("2", "badly", "word", "reject")])
    held = passed(case(submission("Well " + LINKS, moderation="pre"), phrases=phrases, opinion=Opinion("hold", "odd")))
    assert held == ("pending", (("phrases", "1"), ("links", "3 links"), ("external", "odd"), ("mode", "pre")))
    assert passed(case(submission("Badly " + LINKS), phrases=phrases)) == ("rejected", (("phrases", "2"),))
    worse = passed(case(submission(LINKS, moderation="pre"), opinion=Opinion("spam")))
    assert worse == ("spam", (("links", "3 links"), ("external", "")))


def test_staff_are_not_judged() -> None:
    known = Standing(author_minute=now(), repeats_here=1, articles=9)
    assert passed(case(submission(LINKS, kind="staff", moderation="pre"), known, opinion=UNAVAILABLE)).reasons == ()

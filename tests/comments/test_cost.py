"""What a text may cost: bounded by its shape, and growing with its length alone."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from app.comments import rendering
from app.comments.rendering import render_markdown
from app.moderation.text_analysis import analyze_text

LENGTH = 10_000
# Units that, written again and again, were the dearest a search found: `python -m bench.worst_text`.
UNITS = [
    *("a\n", "a\n\n", "1. a\n", "- a\n", "> a\n- b\n", "***\n", "    a\n\n", "```\n", "  \n", "|a|\n"),
    *("*a_", "**a*", "_*a", "~~a~~", "`a", "``a`", "\\*", "&amp;", "&#1;", "&a", "<a@b>", "<a", "[", "[a](b", "!["),
    *("a://", "http://", "http://a", "http://a.b ", "http://a.b/(", "https://a:b@", "mailto:.", "//a.", "www.a.b/(("),
    *("\u00ad", "e\u0301\u0301", "\u4e2d", "👍", "a b ", "İ", "ﷺ"),
]


def seconds(work: Callable[[], object], tries: int = 3) -> float:
    """The least CPU time of several tries."""
    spent = []
    for _ in range(tries):
        before = time.process_time()
        work()
        spent.append(time.process_time() - before)
    return min(spent)


def read(source: str) -> None:
    """Read and judge a text, or refuse it."""
    try:
        found = render_markdown(source)
    except ValueError:
        return
    analyze_text(found.text, found.links, True, True)


def accepted(unit: str, most: int) -> str:
    """As much of a unit as a text may have, up to a length."""
    size = most
    while size > 100:
        text = (unit * size)[:size].strip() or "a"
        if rendering.count_marks(text) <= rendering.MAX_MARKS and text.count("\n") < rendering.MAX_LINES:
            return text
        size = size * 9 // 10
    return unit


def test_no_text_costs_much_more_than_one_with_as_much_emphasis_as_it_may_have() -> None:
    usual, dear = seconds(lambda: read("*a* and " * (rendering.MAX_MARKS // 2))), {}
    for unit in UNITS:
        work = partial(read, accepted(unit, LENGTH))
        if seconds(work, 1) > 6 * usual and (spent := seconds(work)) > 6 * usual:
            dear[unit] = spent / usual
    assert not dear


@pytest.mark.parametrize("unit", UNITS)
def test_four_times_the_text_costs_about_four_times_as_much(unit: str) -> None:
    whole = accepted(unit, LENGTH // 2)
    few, many = (partial(read, text) for text in (whole[: len(whole) // 4], whole))
    limit = 10 * seconds(few) + 0.002  # sixteenfold would be a cost that grows with the square of the length
    assert seconds(many, 1) <= limit or seconds(many, 5) <= limit


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("a\n" * 4999, "more than 500 lines"),
        ("*a*" * 3333, "more than 2000 lines, links and signs"),
        ("[" * 501, "too many brackets"),
        ("***", "shows nothing"),
    ],
)
def test_what_is_not_read_is_told_by_its_shape(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        render_markdown(source)


def test_what_is_read_at_once_is_short_and_plain() -> None:
    assert rendering.is_quick("Well said. " * 100)
    assert rendering.is_quick("Two\n\nparagraphs, *and* a [link](https://a.example).")
    assert not rendering.is_quick("a" * (rendering.MAX_QUICK_LENGTH + 1))
    assert not rendering.is_quick("a\n" * (rendering.MAX_QUICK_MARKS + 1))

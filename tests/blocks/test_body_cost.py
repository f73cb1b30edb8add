"""What a body may cost: growing with its length alone, and bounded by its shape."""

import contextlib
import time
from collections.abc import Callable

import pytest

from app.blocks import context, from_markdown
from app.blocks.convert import Body, body_from_html, body_from_markdown

# Units that, written again and again, were the dearest a search found: `python -m bench.worst_text`.
ADDRESSES = ["://", "a://", "http://a", "http://a.b ", "mailto:a@b.c "]
MARKDOWN = [
    *("![", "[^", "^[a]", "[a](b)", "*a* ", "**a*", "_*a", "`a", "<a@b>", "a\n\n", "a\n=\n", "> a\n- b\n", "- a\n"),
    *("a\n: b\n", "a\n: b\n\n", ": a\n", "[^a]: b\n", "|a|b|\n|-|-|\n\n"),
]
HTML = ["<dt>a<dd>b", "<ul><li>a</ul>", "a<img src=/a>b", "<b><i>a</b></i>", "<details>a</details>", "<td>a", "<p>a"]
CASES = [(body_from_markdown, unit, 16_000) for unit in ADDRESSES]
CASES += [
    (read, unit, 3000) for read, units in ((body_from_markdown, MARKDOWN), (body_from_html, HTML)) for unit in units
]


def seconds(read: Callable[[str], Body], source: str, tries: int) -> float:
    """The least CPU time of several tries to read a text; refusing it is what it costs, too."""
    spent = []
    for _ in range(tries):
        before = time.process_time()
        with contextlib.suppress(ValueError):
            read(source)
        spent.append(time.process_time() - before)
    return min(spent)


@pytest.mark.parametrize(("read", "unit", "length"), CASES)
def test_four_times_the_text_costs_about_four_times_as_much(
    read: Callable[[str], Body], unit: str, length: int
) -> None:
    few, many = (unit * (size // len(unit)) for size in (length // 4, length))
    limit = 10 * seconds(read, few, 3) + 0.005  # sixteenfold would be a cost that grows with the square of the length
    assert seconds(read, many, 1) <= limit or seconds(read, many, 4) <= limit


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("a\n" * from_markdown.MAX_LINES, "more than 30000 lines"),
        ("T\n: d\n" * 20_000, "more than 30000 lines"),
        ("*a*" * from_markdown.MAX_MARKS, "more than 100000 signs"),
    ],
)
def test_markdown_of_too_many_pieces_is_told_by_its_shape(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        body_from_markdown(source)


def test_html_of_too_many_entries_is_told_by_its_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MAX_PARTS", 40)
    source = "<dl>" + "<dt>a<dd>b" * 19 + "</dl>"
    assert len(body_from_html(source).blocks) == 1
    with pytest.raises(ValueError, match="more than 40 entries"):
        body_from_html(source.replace("<dl>", "<dl><dt>c<dd>d"))


def test_addresses_end_before_what_closes_around_them() -> None:
    for closing in "\u201d\u2019\u201c\u00bb\u300b\uff09\u300d\u3011\uff0c\u3002\u3001\uff01\u2026\u2014":
        found = body_from_markdown(f"See (http://a.example/b?c=d{closing} there").blocks[0]["marks"]
        assert [(mark["href"], mark["end"]) for mark in found] == [("http://a.example/b?c=d", 27)], closing

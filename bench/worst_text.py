"""`python -m bench.worst_text`: search for the text with the most CPU time per byte, for each text field."""

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from app.anchors.anchors import locate_quote
from app.anchors.resolution import Pair, Passage, Text, resolve_passage
from app.anchors.schemas import AnchorIn
from app.articles.list_parameters import Words
from app.blocks.convert import body_from_html as article_from_html
from app.blocks.convert import body_from_markdown as article_from_markdown
from app.comments.rendering import render_markdown
from app.moderation.text_analysis import analyze_text
from app.search.questions import extract_snippet, parse_question
from app.subscriptions.schemas import Email
from app.text.inputs import Prose
from app.text.names import PersonName, is_office

PLAIN: Final = "Well said, all of it. "
PIECES: Final = [
    *"a1 \n\t-+*_`~#>|![]()<&;:/@.,\"'\\{}=^$%?",
    *(
        "\n\n",
        "  \n",
        "```",
        "~~",
        "**",
        "](",
        "![",
        "<a>",
        "</a>",
        "<b>",
        "<!--",
        "&amp;",
        "&#1;",
        "://",
        "http://a.b",
        "//a.",
    ),
    *(
        "mailto:",
        "www.",
        "[^1]",
        "[^1]: ",
        "|-|",
        "- [ ] ",
        "1. ",
        "> ",
        "    ",
        "é",
        "e\u0301",
        "\u200d",
        "漢",
        "👍",
        "\ufdfa",
        "İ",
    ),
]
_PROSE: Final = TypeAdapter(Prose)
_NAME: Final = TypeAdapter(PersonName)
_EMAIL: Final = TypeAdapter(Email)
_WORDS: Final = TypeAdapter(Words)
_TEXT: Final = "The ferry leaves at dawn. Her brother bakes the bread that the harbour eats. " * 2000


class Field(NamedTuple):
    """A text field, its maximum length, and its processing."""

    name: str
    length: int
    work: Callable[[str], object]


def _comment(text: str) -> None:
    body = render_markdown(_PROSE.validate_python(text))
    analyze_text(body.text, body.links, True, True)


def _search(text: str) -> None:
    question = parse_question(_WORDS.validate_python(text))
    extract_snippet(_TEXT, question, "en")


def _quote(text: str) -> None:
    locate_quote(_TEXT, AnchorIn(exact=text, prefix=text[:200], suffix=text[:200]))


def _earlier_quote(text: str) -> None:
    middle = len(_TEXT) // 2
    old = Text(f"{_TEXT[:middle]}\n\n{text}\n\n{_TEXT[middle:]}", ())
    resolve_passage(
        Pair(old, Text(f"{_TEXT[:middle]}\n\n{text[1::2]} {text[:-9]}\n\n{_TEXT[middle:]}", ())),
        Passage(middle + 2, middle + 2 + len(text)),
    )


FIELDS: Final = [
    Field("comment text", 10_000, _comment),
    Field("name", 200, lambda text: is_office(_NAME.validate_python(text))),
    Field("report, appeal", 10_000, _PROSE.validate_python),
    Field("quote of a passage", 2000, _quote),
    Field("quote of an earlier text", 2000, _earlier_quote),
    Field("search q", 200, _search),
    Field("e-mail", 254, _EMAIL.validate_python),
    Field("article Markdown (keys)", 20_000, article_from_markdown),
    Field("article HTML (keys)", 20_000, article_from_html),
]


def cost(field: Field, text: str) -> float:
    """Return the CPU seconds per byte, the minimum of two runs; refused texts count too."""
    spent = []
    for _ in range(2):
        before = time.process_time()
        with contextlib.suppress(ValueError, ValidationError):
            field.work(text)
        spent.append(time.process_time() - before)
    return min(spent) / len(text.encode())


def _filled(unit: list[str], length: int) -> str:
    whole = "".join(unit)
    return (whole * (length // len(whole) + 1))[:length]


def _changed(unit: list[str], chance: random.Random) -> list[str]:
    """Return a unit with a piece added, removed or replaced."""
    found, at = list(unit), chance.randrange(len(unit))
    kind = chance.random()
    if kind < 0.4 and len(found) < 12:
        found.insert(at, chance.choice(PIECES))
    elif kind < 0.6 and len(found) > 1:
        del found[at]
    else:
        found[at] = chance.choice(PIECES)
    return found


def climb(field: Field, seconds: float, chance: random.Random) -> tuple[float, str, int]:
    """Find the most expensive unit, repeated to a length, by hill climbing from random units until the time is over.

    A text that is refused for its shape is tried shorter, as bounds of shape admit short ones.
    """
    until, best = time.monotonic() + seconds, (0.0, PLAIN, field.length)
    while time.monotonic() < until:
        unit, worst, stuck = [chance.choice(PIECES) for _ in range(chance.randint(1, 6))], 0.0, 0
        while stuck < 25 and time.monotonic() < until:
            tried = _changed(unit, chance)
            lengths = [field.length, max(1, field.length // 4)]
            spent, length = max((cost(field, _filled(tried, length)), length) for length in lengths)
            stuck += 1
            if spent > worst:
                unit, worst, stuck = tried, spent, 0
                best = max(best, (spent, "".join(tried), length))
    return best


def main() -> int:
    """Print the most expensive unit of each field, relative to plain words."""
    parser = argparse.ArgumentParser(prog="python -m bench.worst_text", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each field (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options, console = parser.parse_args(), Console(width=None if sys.stdout.isatty() else 140)
    table = Table("field", "characters", "dearest unit", "µs a byte", "ms in all", "× plain words")
    for field in FIELDS:
        spent, unit, length = climb(field, options.seconds, random.Random(options.seed))
        plain = cost(field, _filled([PLAIN], length))
        whole = spent * len(_filled([unit], length).encode())
        times = spent / plain if plain else 0.0
        figures = f"{spent * 1e6:.2f}", f"{whole * 1000:.1f}", f"{times:.0f}"
        table.add_row(field.name, str(length), ascii(unit)[1:-1].replace("[", r"\["), *figures)
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

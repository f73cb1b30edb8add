"""Finding a quote in a text: whatever its white space, and at a cost that its words do not decide."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from app.anchors.anchors import locate_quote
from app.anchors.schemas import AnchorIn

TEXT = "The ferry leaves at dawn. Her brother bakes the bread that the harbour eats. " * 1000
PIECES = st.lists(st.sampled_from(["a", "b", "\u6f22", " ", "  ", "\n\n", "\u3000 ", "\t"]), max_size=9).map("".join)


@settings(deadline=None)
@given(PIECES, PIECES, PIECES)
def test_a_quote_that_stands_once_is_found_whatever_its_white_space(before: str, quote: str, after: str) -> None:
    whole = f"{before}x {quote} y{after}"
    place = locate_quote(whole, AnchorIn(exact=f" x\n{' '.join(quote.split())}\u3000 y"))
    assert place is not None
    assert (place.start, place.end) == (len(before), len(whole) - len(after))


def seconds(quote: str) -> float:
    """The least CPU time of several tries to find a quote that was not looked for before."""
    spent = []
    for number in range(5):
        asked = AnchorIn(exact=f"{quote}{number}")
        before = time.process_time()
        assert locate_quote(TEXT, asked) is None
        spent.append(time.process_time() - before)
    return min(spent)


def test_a_quote_of_many_words_costs_no_more_than_one_of_few() -> None:
    assert seconds("T " * 990) < 4 * seconds("T" * 1990) + 0.002

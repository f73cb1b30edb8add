"""What a comment's text becomes: the short way for plain words gives what the long one would."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.comments import rendering

_PIECES = st.sampled_from(
    [
        *"ab -+=#!.()[]{}$%:;,?^/|~*_`<>&@\"'\\",
        *("  ", "1.", "3)", "---", "//x.org", "www.x", "http:", "é", "漢", "\xa0", "\u200b", "\x0c"),
    ]
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(_PIECES, min_size=1, max_size=9))
def test_plain_words_become_what_markdown_makes_of_them(pieces: list[str]) -> None:
    source = "a" + "".join(pieces)
    try:
        found = rendering.render_markdown(source)
    except ValueError:
        assume(False)
    assert found == rendering._render_body(source, rendering._MARKDOWN.render(source))


@pytest.mark.parametrize(
    "closing",
    list(
        "\u201d\u2019\u201c\u00bb\u203a\u300b\uff09\u300d\u3011\uff08\uff0c\u3002\u3001\uff01\uff1f\uff1b\u2026\u2014"
    ),
)
def test_addresses_end_before_closing_quotes_and_full_width_signs(closing: str) -> None:
    for address in ("http://a.example", "https://a.example/b?c=d", "https://a.example/b/"):
        assert rendering.render_markdown(f"See {address}{closing} there").links == (address,)
        assert rendering.render_markdown(f"{address}{closing}").links == (address,)


def test_addresses_hold_what_stands_inside_of_words() -> None:
    for address in ("https://a.example/caf\u00e9", "https://a.example/\u6f22\u5b57", "https://a.example/b\u2013c"):
        assert len(rendering.render_markdown(f"See {address} there").links) == 1
        assert f">{address}</a>" in rendering.render_markdown(f"See {address} there").html

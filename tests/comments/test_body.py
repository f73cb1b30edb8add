"""What a comment's text becomes: the short way for plain words gives what the long one would."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.comments import body

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
        found = body.from_markdown(source)
    except ValueError:
        assume(False)
    assert found == body._body(source, body._MARKDOWN.render(source))

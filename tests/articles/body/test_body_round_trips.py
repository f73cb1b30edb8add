"""Whatever blocks can say survives the way through HTML and through Markdown."""

from hypothesis import given
from hypothesis import strategies as st

from app.articles.body import Block, drafts, from_html, from_markdown, render_html, render_markdown
from app.articles.body.inline import Run, Style, flat, joined, paragraphs, runs_of
from app.articles.body.schemas import Inline, NestedList
from app.kit.text import clean

PIECES = [
    *"a Z 9 * _ __ \\ \\* ` `` ``` ~~ ~ $ ! ( ) { } % ^ = & \" ' “ ” — … 日本語 漢字 שלום مرحبا ﬁ İ 😀 ᄀ ᅡ".split(),
    *"word --- === *** **bold** snake_case [x](y) ![i](u) <b> </p> <!-- --> &amp; &#x41; &notin; [r]: /u".split(),
    *"http://x.example/?a=1&b=2 user@example.org <https://auto.example> e\u0301 \u0301 \u0338 \u200f \u2028".split(" "),
    *(
        "1. x",
        "2) y",
        "# x",
        "## ",
        " #",
        "- ",
        "+ b",
        "> q",
        ": c",
        "| d |",
        " ",
        "  ",
        "\u00a0",
        "\u3000",
        "\n",
        "\t",
    ),
    "\U0001f469\u200d\U0001f467",
]
HREFS = [
    *"https://example.org/ https://example.org/a_b*c?d=1&copy=2#e /relative/(path) #note mailto:a@b.example".split(),
    *"//cdn.example/x https://example.org/ünï/漢 https://example.org/a%20b~c ?q=[x]".split(),
]
LABELS = st.sampled_from(["A title", 'say "hi"', "back\\slash", "a & b &amp; c", "<i>", "漢", "it's", "[x]"])
PLAIN_STYLES = [
    "quotation", "strong", "emphasis", "underline", "strike", "insertion", "highlight", "small", "superscript",
    "subscript", "code",
]  # fmt: skip

styles = st.one_of(
    st.sampled_from(PLAIN_STYLES).map(Style),
    st.builds(Style, st.just("link"), st.sampled_from(HREFS), st.none() | LABELS),
    st.builds(Style, st.just("abbreviation"), st.none(), LABELS),
)


def _distinct(chosen: list[Style]) -> tuple[Style, ...]:
    return tuple({style.type: style for style in chosen}.values())


words = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=3), max_size=5
)
runs = st.lists(st.builds(Run, words.map("".join), st.lists(styles, max_size=3).map(_distinct)), min_size=1, max_size=5)


def _canonical(raw: list[Run]) -> list[Inline]:
    # What a parser hands over: source spaces are flat already, and line feeds stand for explicit breaks.
    return paragraphs([Run("\n".join(flat(line) for line in run.text.split("\n")), run.styles) for run in raw])


many = runs.map(lambda raw: _canonical(raw) or [{"text": "word", "marks": []}])
lines = many.map(lambda parts: joined(parts, "\n"))
one = many.map(lambda parts: parts[0])
code_text = st.lists(st.sampled_from([*PIECES, "    ", "\n\n", "</code></pre>"]), max_size=8).map("".join)
url = st.sampled_from(["https://example.org/a.png", "/media/b_c.jpg?x=1&y=2", "https://example.org/(ü).gif"])
number = st.none() | st.integers(0, 5000)


def _lists(below: st.SearchStrategy[NestedList] | None = None) -> st.SearchStrategy[NestedList]:
    deeper = st.none() if below is None else st.none() | below
    entry = st.builds(drafts.item, many, deeper)
    if below is not None:
        entry |= st.builds(drafts.item, st.just([]), below)
    return st.builds(
        lambda ordered, start, items: {"ordered": ordered, "start": start if ordered else 1, "items": items},
        st.booleans(),
        st.sampled_from([0, 1, 3, 10, 999]),
        st.lists(entry, min_size=1, max_size=3),
    )


@st.composite
def tables(draw: st.DrawFn) -> Block:
    width = draw(st.integers(1, 3))
    cell = lines | st.just({"text": "", "marks": []})
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=3))
    rows[0][0] = draw(lines)
    header, caption = draw(st.booleans()), draw(st.none() | lines)
    return drafts.table(rows, header=header or (width == len(rows) == 1), caption=caption)


pictures = st.builds(
    drafts.image, url, alt=st.just("") | LABELS, title=st.none() | LABELS, link=st.none() | st.sampled_from(HREFS),
    width=number, height=number,
)  # fmt: skip
embeds = st.builds(drafts.embed, url | st.just("https://www.youtube.com/watch?v=abcdefghijk"), st.none() | LABELS)
blocks = st.one_of(
    st.builds(drafts.paragraph, one),
    st.builds(drafts.heading, lines, st.integers(1, 6)),
    st.builds(drafts.quote, many, st.none() | lines),
    st.builds(drafts.listing, _lists(_lists(_lists()))),
    pictures,
    embeds,
    st.builds(lambda block, caption: drafts.captioned(block, caption), pictures | embeds, lines),
    st.builds(drafts.code, code_text, st.sampled_from([None, "python", "c++"])).filter(
        lambda block: block["text"].strip()
    ),
    tables(),
    st.just(drafts.divider()),
)
bodies = st.lists(blocks, max_size=4)


def _bare(found: list[Block]) -> list[Block]:
    return [{**block, "id": ""} for block in found]


@given(bodies)
def test_html_round_trip(body: list[Block]) -> None:
    html = render_html(body)
    assert _bare(from_html(html).blocks) == body
    assert clean(html) == html


@given(bodies)
def test_markdown_round_trip(body: list[Block]) -> None:
    markdown = render_markdown(body)
    assert _bare(from_markdown(markdown).blocks) == body, markdown
    assert clean(markdown) == markdown


@given(runs)
def test_a_text_and_its_runs_are_the_same_thing(raw: list[Run]) -> None:
    for inline in _canonical(raw):
        assert paragraphs(runs_of(inline)) == [inline]

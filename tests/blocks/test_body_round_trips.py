"""Whatever blocks can say survives the way through HTML and through Markdown."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.blocks import drafts
from app.blocks.convert import body_from_html, body_from_markdown
from app.blocks.flatten import iter_inner_lists
from app.blocks.inline import Run, Style, build_paragraphs, collapse_space, join_inlines, make_picture_run, runs_of
from app.blocks.schemas import Block, Inline
from app.blocks.to_html import render_html
from app.blocks.to_markdown import render_markdown
from app.text.inputs import clean_text
from tests.effort import effort

EXAMPLES = effort("EXAMPLES", 25, long=1000)
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


def _style(kind: str, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Style]:
    return st.fixed_dictionaries(values).map(lambda given: Style(kind, **given))


styles = st.one_of(
    st.sampled_from(PLAIN_STYLES).map(Style),
    _style("link", href=st.sampled_from(HREFS), title=st.none() | LABELS),
    _style("abbreviation", title=LABELS),
    _style("span", lang=st.sampled_from(["fr", "zh-Hant"]), dir=st.sampled_from([None, "rtl"])),
    _style("override", dir=st.sampled_from(["ltr", "rtl"])),
    _style("isolate", dir=st.sampled_from([None, "auto"])),
)


def _distinct(chosen: list[Style]) -> tuple[Style, ...]:
    return tuple({style.type: style for style in chosen}.values())


words = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=3), max_size=5
)
runs = st.lists(st.builds(Run, words.map("".join), st.lists(styles, max_size=3).map(_distinct)), min_size=1, max_size=5)


def _canonical(raw: list[Run]) -> list[Inline]:
    # What a parser hands over: source spaces are flat already, and line feeds stand for explicit breaks.
    return build_paragraphs(
        [Run("\n".join(collapse_space(line) for line in run.text.split("\n")), run.styles) for run in raw]
    )


def _with_pictures(parts: list[Inline], pictures: list[Run]) -> list[Inline]:
    """Put a picture between the words of a text."""
    if not pictures:
        return parts
    styles = next((run.styles for run in runs_of(parts[0]) if run.text.strip()), ())
    return [
        *build_paragraphs([Run("see "), *(Run(p.text, (*styles, *p.styles)) for p in pictures), Run(" now")]),
        *parts,
    ]


PICTURES = st.lists(
    st.builds(
        make_picture_run, st.just("") | LABELS, st.sampled_from(["/s.png", "https://x.example/(a)"]),
        st.none() | LABELS, st.tuples(st.none() | st.integers(1, 99), st.none() | st.integers(1, 99)), st.just(()),
    ),
    max_size=2,
)  # fmt: skip
many = st.builds(_with_pictures, runs.map(lambda raw: _canonical(raw) or [{"text": "word", "marks": []}]), PICTURES)
lines = many.map(lambda parts: join_inlines(parts, "\n"))
one = many.map(lambda parts: parts[0])
code_text = st.lists(st.sampled_from([*PIECES, "    ", "\n\n", "</code></pre>"]), max_size=8).map("".join)
url = st.sampled_from(["https://example.org/a.png", "/media/b_c.jpg?x=1&y=2", "https://example.org/(ü).gif"])
number = st.none() | st.integers(0, 5000)
languages = st.sampled_from(["ar", "zh-Hant", "de"])
directions = st.sampled_from(["ltr", "rtl", "auto"])


def _plain(parts: list[Inline]) -> list[Block]:
    return [drafts.make_paragraph(part) for part in parts]


def _said(block: Block, lang: str | None, direction: str | None) -> Block:
    return drafts.with_members(block, lang=lang, dir=direction)


pictures = st.builds(
    drafts.make_image, url, alt=st.just("") | LABELS, title=st.none() | LABELS, link=st.none() | st.sampled_from(HREFS),
    width=number, height=number,
)  # fmt: skip
captioned_pictures = pictures | st.builds(drafts.add_caption, pictures, lines)
galleries = st.builds(drafts.make_gallery, st.lists(captioned_pictures, min_size=2, max_size=3), st.none() | lines)
files = st.lists(
    st.fixed_dictionaries({"src": url, "mime": st.sampled_from([None, "audio/mpeg", 'video/mp4; codecs=avc1'])}),
    min_size=1, max_size=2,
)  # fmt: skip
tracks = st.lists(
    st.fixed_dictionaries(
        {
            "src": url, "kind": st.sampled_from(["captions", "subtitles", "chapters"]), "lang": st.none() | languages,
            "label": st.none() | LABELS, "default": st.booleans(),
        }
    ),
    max_size=2,
)  # fmt: skip
recordings = st.builds(drafts.make_audio, files, tracks, title=st.none() | LABELS) | st.builds(
    drafts.make_video, files, tracks, title=st.none() | LABELS, poster=st.none() | url, width=number, height=number
)
embeds = st.builds(drafts.make_embed, url | st.just("https://www.youtube.com/watch?v=abcdefghijk"), st.none() | LABELS)
captioned = st.builds(drafts.add_caption, pictures | embeds | recordings, lines)
simple = st.one_of(
    st.builds(drafts.make_paragraph, one),
    st.builds(drafts.make_heading, lines, st.integers(1, 6)),
    pictures,
    embeds,
    captioned,
    galleries,
    recordings,
    st.builds(drafts.make_code, code_text, st.sampled_from([None, "python", "c++"])).filter(
        lambda block: block["text"].strip()
    ),
    st.just(drafts.make_divider()),
    st.builds(
        _said, st.builds(drafts.make_paragraph, one) | st.builds(drafts.make_heading, lines, st.just(2)), languages,
        st.none() | directions,
    ),
)  # fmt: skip


def _lists(inner: st.SearchStrategy[list[Block]]) -> st.SearchStrategy[Block]:
    tasks = st.sampled_from([None, None, True, False])
    entry = st.builds(drafts.make_item, many.map(_plain) | inner, checked=tasks)
    numbered = st.builds(drafts.make_item, many.map(_plain) | inner, value=st.none() | st.integers(0, 99))
    ordered = st.builds(
        drafts.make_nested_list, st.lists(numbered, min_size=1, max_size=3), ordered=st.just(True),
        start=st.sampled_from([None, 0, 1, 3, 999]), style=st.sampled_from([None, None, "a", "I"]),
        reversed=st.sampled_from([False, False, True]),
    )  # fmt: skip
    usual = st.builds(
        drafts.make_nested_list,
        st.lists(st.builds(drafts.make_item, many.map(_plain) | inner), min_size=1, max_size=3),
        ordered=st.just(True), start=st.sampled_from([None, 0, 3]),
    )  # fmt: skip
    bulleted = st.builds(drafts.make_nested_list, st.lists(entry, min_size=1, max_size=3), ordered=st.just(False))
    lists = ordered | usual | bulleted
    return st.builds(drafts.make_list, lists) | st.builds(
        lambda text, below: drafts.make_list(
            drafts.make_nested_list([drafts.make_item([*_plain(text), drafts.make_list(below)])], ordered=False)
        ),
        many,
        lists,
    )


def _cells(inner: st.SearchStrategy[list[Block]]) -> st.SearchStrategy[Any]:
    text = lines.map(lambda line: drafts.make_content([drafts.make_paragraph(line)]))
    held = (
        text | text | st.just({"text": "", "marks": []}) | inner.map(lambda blocks: drafts.make_content(blocks, "\n"))
    )
    return st.builds(
        drafts.with_members, held, align=st.sampled_from([None, None, "left", "right"]),
    )  # fmt: skip


@st.composite
def tables(draw: st.DrawFn, inner: st.SearchStrategy[list[Block]]) -> Block:
    width, height = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    header = draw(st.booleans()) or width == height == 1
    cells = _cells(inner)
    rows = [[draw(cells) for _ in range(width)] for _ in range(height)]
    rows[0][0] = drafts.make_content([drafts.make_paragraph(draw(lines))])
    for index, row in enumerate(rows):
        if (index or not header) and draw(st.booleans()):
            row[-1] = drafts.with_members(row[-1], header=True, scope=draw(st.sampled_from([None, "row", "col"])))
    if not header and all(cell.get("header") for cell in rows[0]):
        rows[0][0].pop("header", None)
        rows[0][0].pop("scope", None)
    if width == 3 and height > 1 and draw(st.booleans()):  # the second row has all columns, or a cell of the first
        across, down = draw(st.sampled_from([(2, 1), (1, 2), (2, 2)]))
        rows[0][0] = drafts.with_members(
            rows[0][0], colspan=across if across > 1 else None, rowspan=down if down > 1 and not header else None
        )
        covered = [(r, c) for r in range(down if not header else 1) for c in range(across) if (r, c) != (0, 0)]
        for row_index, column in covered:
            rows[row_index][column] = drafts.make_empty_cell()
    return drafts.make_table(rows, header=header, caption=draw(st.none() | lines))


def _nested(inner: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
    several = st.lists(inner, min_size=1, max_size=3)
    held = many.map(_plain) | several
    meanings = st.lists(held.map(drafts.make_content), min_size=1, max_size=2)
    definition = st.fixed_dictionaries({"terms": st.lists(lines, min_size=1, max_size=2), "meanings": meanings})
    return st.one_of(
        st.builds(drafts.make_quote, held, st.none() | lines),
        _lists(several),
        tables(several),
        st.builds(drafts.make_details, lines | st.just({"text": "", "marks": []}), held, opened=st.booleans()),
        st.builds(drafts.make_box, st.sampled_from([None, "factbox", "Info-2"]), held),
        st.builds(drafts.make_definitions, st.lists(definition, min_size=1, max_size=2)),
        st.builds(drafts.make_embed, st.just("https://x.com/a/status/123456"), st.none(), held),
    )


blocks = st.recursive(simple, _nested, max_leaves=6)


def _top(block: Block) -> Block:
    """An address that is a paragraph of its own is a link."""
    if block["type"] == "paragraph" and not block["marks"] and re.fullmatch(r"https?://\S+", block["text"], re.I):
        return body_from_html(render_html([block])).blocks[0]
    return block


@st.composite
def bodies_of(draw: st.DrawFn, blocks: st.SearchStrategy[Block]) -> list[Block]:
    """Blocks, some with an anchor, and notes to which they refer."""
    body: list[Block] = [_top(block) for block in draw(st.lists(blocks, max_size=4))]
    for index, block in enumerate(body):
        if draw(st.integers(0, 3)) == 0:
            body[index] = drafts.with_members(block, anchor=f"s{index}")
    notes = draw(st.lists(many.map(_plain) | st.lists(blocks, min_size=1, max_size=2), max_size=2))
    names = ["fn1", "b", "6a72f4e2-0000"]
    for name, number in draw(st.permutations([(name, n) for n, name in enumerate(names[: len(notes)], 1)])):
        if draw(st.booleans()):
            style = Style("footnote", note=name)
            text = build_paragraphs([Run("Claim"), Run(drafts.footnote_label(number), (style,)), Run(" stands.")])
            body.append(drafts.make_paragraph(text[0]))
    if notes:
        found = [{"id": name, **drafts.make_content(held)} for name, held in zip(names, notes, strict=False)]
        body.insert(draw(st.sampled_from([len(body), len(body), 0])), drafts.make_footnotes(found))
    return body


bodies = bodies_of(blocks)


def _bare(found: list[Block]) -> list[Block]:
    for block in found:
        block["id"] = ""
        for inner in iter_inner_lists(block):
            _bare(inner)
    return found


def _check(body: list[Block], render: Callable[[list[Block]], str], read: Callable[[str], Any]) -> None:
    written = render(body)
    found = read(written)
    assert found.dropped == ()
    assert _bare(found.blocks) == body, written
    assert clean_text(written) == written


@pytest.mark.long
@settings(max_examples=EXAMPLES, deadline=None)
@given(bodies)
def test_html_round_trip(body: list[Block]) -> None:
    _check(body, render_html, body_from_html)


@pytest.mark.long
@settings(max_examples=EXAMPLES, deadline=None)
@given(bodies)
def test_markdown_round_trip(body: list[Block]) -> None:
    _check(body, render_markdown, body_from_markdown)


@given(runs)
def test_a_text_and_its_runs_are_the_same_thing(raw: list[Run]) -> None:
    for inline in _canonical(raw):
        assert build_paragraphs(runs_of(inline)) == [inline]

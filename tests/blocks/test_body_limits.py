"""Hostile sources are refused with a reason or read: they never break the stack, and never act in the output."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from app.blocks.convert import body_from_html, body_from_markdown
from app.text.html import sanitise

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><style>",
    "</style>",
    '<a href="javascript:alert(1)">x</a>',
    "[x](javascript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "![x](data:text/html,y)",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](/y "\\"onclick=alert(1)")',
    "`<script>`",
    "```<img onerror=x>\n",
    '<iframe src="javascript:alert(1)">',
    '<figure data-embed="javascript:alert(1)">',
    "<math><mtext><table><mglyph><style><!--",
    "<p title='",
    "'>",
    "<td>",
    "> ",
    "- ",
    "\n\n",
    "**",
    "|",
    "&lt;script&gt;",
    "<noscript><p title='</noscript><img src onerror=x>'>",
    '<pre data-language="x&quot; onclick=y">z</pre>',
    '<abbr title="&quot;><script>">a</abbr>',
    '<img src="/x" alt="&quot; onload=y">',
]
ACTIVE = "script, style, svg, math, iframe, object, embed, form, template, noscript, input:not([disabled])"
UNSAFE_URL = re.compile(r"(?!https?:|(?:mailto|tel|sms|geo|xmpp):)[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@given(st.lists(st.sampled_from(ATTACKS), min_size=1, max_size=5).map("".join), st.booleans())
def test_nothing_in_the_output_can_act(source, markdown):
    body = (body_from_markdown if markdown else body_from_html)(source)
    document = LexborHTMLParser(f"<body>{body.html}").css_first("body")
    assert document.css(ACTIVE) == []
    for node in document.css("*"):
        assert not [name for name in node.attributes if name.startswith("on") or name in {"style", "class", "name"}]
        assert "id" not in node.attributes or node.tag not in {"a", "img", "form", "input"}
        assert not [
            value for value in node.attributes.values() if UNSAFE_URL.match(re.sub(r"[\x00-\x20]", "", value or ""))
        ]
    assert sanitise(body.html) == body.html


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("<div>" * 10_000, "nested too deeply"),
        ("<b>" * 10_000, "nested too deeply"),
        ("<blockquote>" * 60, "nested too deeply"),
        ("<ul><li>" * 40 + "x", "nested too deeply"),
        ("<ul><li>a" * 21, "nested too deeply"),
        ("<table><tr><td>a<td>" * 40, "nested too deeply"),
        ("<table><tr>" + "<td>a" * 201, "columns"),
        ("<p>x" * 10_001, "blocks"),
        ("&" * 60_000, "ampersands"),
        ("x" * 1_000_001, "longer"),
    ],
)
def test_html_that_is_refused(source, reason):
    with pytest.raises(ValueError, match=reason):
        body_from_html(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (">" * 10_000, "nested too deeply"),
        ("> " * 10_000, "nested too deeply"),
        ("- " * 10_000 + "x", "nested too deeply"),
        ("1. " * 10_000, "nested too deeply"),
        ("<b>" * 10_000, "nested too deeply"),
        ("\n".join("  " * depth + "- a" for depth in range(100)), "nested too deeply"),
        ("[" * 10_001, "brackets"),
        ("x" * 1_000_001, "longer"),
    ],
)
def test_markdown_that_is_refused(source, reason):
    with pytest.raises(ValueError, match=reason):
        body_from_markdown(source)


@pytest.mark.parametrize(
    "piece", ["[", "![", "*", "*a ", "**a ", "_a_", "`", "<", "<!--", "&", "\\", "[a](", "~~a", "|", "#", "]("]
)
def test_repeated_markup_is_only_text(piece):
    source = piece * 300
    body = body_from_markdown(source)
    assert body_from_markdown(body.markdown).text == body.text


def test_as_deep_as_lists_may_be():
    body = body_from_html("<ul><li>a" * 20)
    assert body.text.count("a") == 20
    assert body_from_markdown(body.markdown).blocks == body.blocks


def test_marks_without_end():
    body = body_from_html("<p>" + "<b>a</b> <i>b</i>" * 2000)
    assert len(body.blocks[0]["marks"]) == 4000
    assert body_from_html("<p>a" + "<b>\u0301</b>" * 2000).text == "á" + "\u0301" * 1999

"""Hostile HTML comes out harmless, or does not come out at all."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from app.text import html

VECTORS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//x.example>",
    "<scr<script>ipt>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img/src='x'/onerror=alert(1)>",
    "<img src=javascript:alert(1)>",
    "<img src='data:text/html;base64,PHNjcmlwdD4='>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href=" &#14; javascript:alert(1)">x</a>',
    '<a href="jav&#x09;ascript:alert(1)">x</a>',
    '<a href="jav&#x0A;ascript&colon;alert(1)">x</a>',
    '<a href="&#0000106&#0000097&#0000118&#0000097script:alert(1)">x</a>',
    '<a href="JaVaScRiPt:alert(1)">x</a>',
    '<a href="vbscript:msgbox(1)">x</a>',
    '<a href="data:text/html,<script>alert(1)</script>">x</a>',
    '<a href="x" onclick="alert(1)" style="color:red" class="c" id="i" target="_blank">x</a>',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "<math><annotation-xml encoding='text/html'><script>alert(1)</script></annotation-xml></math>",
    '<form><math><mtext></form><form><mglyph><svg><mtext><textarea><path id="</textarea><img onerror=alert(1) src=1>">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
    "<template><script>alert(1)</script></template>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object><embed src=javascript:alert(1)>",
    "<style>@import 'javascript:alert(1)';</style>",
    "<link rel=stylesheet href=//x.example><meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href=//x.example><form action=javascript:alert(1)><input autofocus onfocus=alert(1)>",
    "<body onload=alert(1)><video><source onerror=alert(1)></video><details open ontoggle=alert(1)>",
    "<!--><script>alert(1)</script>-->",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "<xmp><script>alert(1)</script></xmp><plaintext><script>alert(1)</script>",
    "<textarea></textarea><script>alert(1)</script>",
    "<a title='</a><script>alert(1)</script>'>x</a>",
    '<p title="`><script>alert(1)</script>">x</p>',
    "<table background=javascript:alert(1)><td style='width:expression(alert(1))'>x",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-<b>x</b>",
    "\u00bcscript\u00bealert(1)\u00bc/script\u00be",
    "＜script＞alert(1)＜/script＞",
    "<img src=x onerror\n=alert(1)//",
    "<x onclick=alert(1)>click</x>",
]
URL = re.compile(r"(?:https?:|(?:mailto|tel|sms|geo|xmpp):|(?![a-z][a-z0-9+.-]*:))", re.IGNORECASE)
ALLOWED_ATTRIBUTES = {
    "href", "title", "rel", "src", "alt", "width", "height", "start", "colspan", "rowspan", "scope", "datetime",
    "data-embed", "data-provider", "data-language", "align", "checked", "controls", "data-fn", "data-footnotes",
    "data-gallery", "data-kind", "default", "dir", "disabled", "kind", "label", "lang", "open", "poster", "reversed",
    "srclang", "type", "value",
}  # fmt: skip
DANGEROUS_TAGS = (
    "script, style, svg, math, iframe, object, embed, form, input:not([type=checkbox][disabled]), template, noscript, "
    "base, meta, link, a[id], img[id], [name]"
)


def dangers(markup):
    """List what could act in a document that a browser would make of the markup."""
    body = LexborHTMLParser(f"<!doctype html><body><div>{markup}").css_first("body")
    found = [node.tag for node in body.css(DANGEROUS_TAGS)]
    for node in body.css("*"):
        for name, value in node.attributes.items():
            if name not in ALLOWED_ATTRIBUTES and not (name == "id" and node.tag not in {"a", "img", "input"}):
                found.append(name)
            if name in {"href", "src", "poster", "data-embed"} and not URL.match(
                re.sub(r"[\x00-\x20]", "", value or "")
            ):
                found.append(value)
    return found


@pytest.mark.parametrize("profile", ["article", "note"])
@pytest.mark.parametrize("vector", VECTORS)
def test_nothing_acts_and_cleaning_again_changes_nothing(vector, profile):
    once = html.sanitise(f"<p>before</p>{vector}", profile)
    assert dangers(once) == []
    assert "before" in once
    assert html.sanitise(once, profile) == once


def test_notes_have_none_of_what_only_articles_have():
    shown = "<h2 id=a>a</h2><video src=/a></video><details open>b</details><ul><li><input type=checkbox>c</ul>"
    assert html.sanitise(f"{shown}<p lang=de dir=rtl title=t>d</p><a href=tel:+1>e</a>", "note") == (
        'ab<ul><li>c</li></ul><p>d</p><a rel="noopener nofollow ugc">e</a>'
    )


def test_the_detector_detects():
    assert dangers("<img src=x onerror=alert(1)>") == ["onerror"]
    assert dangers("<a href='java\nscript:x'>") == ["java\nscript:x"]
    assert dangers("<svg></svg>") == ["svg"]


TAGS = "<p> </p> <b> </b> <table> <td> <svg> </svg> <math> <style> </style> <select> <mtext> <title>".split()
markup = st.lists(
    st.sampled_from([*VECTORS, *TAGS, "<!--", "-->", "<a href='", '"', "'", ">", "<", "&", "&lt;"]), max_size=8
).map("".join)


@given(markup)
def test_pieces_of_attacks_put_together_stay_harmless(source):
    once = html.sanitise(source)
    assert dangers(once) == []
    assert "<" not in re.sub(r"<[^>]*>", "", once)


def test_articles_keep_their_structure():
    source = (
        '<h2>a</h2><p>b <a href="/c" title="d" rel="noopener">e</a> <em>f</em><br></p><ol start="3"><li>g</li></ol>'
        '<figure data-embed="https://x.example" data-provider="x"><img src="/i" alt="h" width="1" height="2">'
        '<figcaption>i</figcaption></figure><pre data-language="py"><code>j</code></pre><table><caption>k</caption>'
        '<thead><tr><th scope="col">l</th></tr></thead><tbody><tr><td colspan="2">m</td></tr></tbody></table><hr>'
    )
    assert html.sanitise(source) == source


def test_notes_are_plainer_and_their_links_are_marked():
    source = '<h1>a</h1><p><img src="/i"><a href="https://x.example">b</a></p>'
    assert html.sanitise(source, "note") == 'a<p><a href="https://x.example" rel="noopener nofollow ugc">b</a></p>'


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x" * 1_000_001, "longer than"),
        ("&" * 1_000_000, "ampersands"),
        ("<" * 100_001, "tags"),
        ("<div>" * 101, "nested"),
        ("<b>" * 101, "nested"),
        ("<p>" + "<b>" * 90 + "</p>" + "<p>x</p>" * 20_000, "nested"),
        ("<div title='></div>'>" * 101, "nested"),
        ("<div><!--</div>-->" * 101, "nested"),
        ("<div><table><td></div></table>" * 101, "nested"),
        ("<b><div></b>" * 101, "nested"),
        ("<svg></svg>" + "<svg><style><i></style>" * 101, "nested"),
        ("<a " + " ".join(f"x{number}" for number in range(400)) + ">", "attributes"),
    ],
)
def test_what_would_take_too_long_is_refused_before_it_is_parsed(source, reason):
    for read in (html.sanitise, html.html_to_text):
        with pytest.raises(ValueError, match=reason):
            read(source)


@pytest.mark.parametrize("profile", ["article", "note"])
@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("java script:alert(1)", "java%20script:alert(1)"),
        ("java\u00a0script:alert(1)", "java%C2%A0script:alert(1)"),
        ("\u200bjavascript:alert(1)", "%E2%80%8Bjavascript:alert(1)"),
        ("java\nscript:alert(1)", None),
        (" \x01 javascript:alert(1)", None),
        (" https://a.example/b c\n/d ", "https://a.example/b%20c/d"),
        ("/x?y=%20", "/x?y=%20"),
    ],
)
def test_addresses_are_written_as_browsers_parse_them(profile: html.Profile, address: str, written: str | None) -> None:
    clean = LexborHTMLParser(html.sanitise(f'<a href="{address}">x</a>', profile))
    assert clean.css("a")[0].attributes.get("href") == written


def test_notes_are_short():
    with pytest.raises(ValueError, match="50000"):
        html.sanitise("x" * 50_001, "note")


@pytest.mark.parametrize(
    "source",
    [
        "<p " * 150,
        "<!--" * 5000,
        "<style>" * 5000,
        "<a x='" * 90,
        "<p>x" * 5000,
        "<li>x" * 5000,
        "&" * 5000,
        "</b>" * 5000,
    ],
)
def test_sloppy_input_is_read(source):
    assert dangers(html.sanitise(source)) == []


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("", ""),
        ("<p>a <b>b</b>\n c</p>d<div>e</div>", "a b c\n\nd\n\ne"),
        ("a<br> b<br/>c", "a\nb\nc"),
        ("&lt;b&gt; &amp;amp; &eacute; &#1;x", "<b> &amp; é x"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>", "a\n\nb\n\nc"),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "a b\n\nc"),
        ("a<pre> b\n\n   c</pre> d", "a\n\n b\n\n   c\n\nd"),
        ("a<script>b</script><style>c</style><!-- d --><svg>e</svg>f", "af"),
        ("<unknown>a</unknown>", "a"),
    ],
)
def test_plain_text(source, text):
    assert html.html_to_text(source) == text

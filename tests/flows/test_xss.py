"""Markup that wants to run in a reader's browser is inert wherever HTML comes out."""

import random
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser
from starlette.testclient import TestClient

from app.blocks.convert import Body, body_from_html, body_from_markdown
from app.comments.rendering import clean_html, render_markdown
from app.publication.terms import render_note
from tests import make
from tests.effort import effort
from tests.flows.vectors import make_vectors

pytestmark = pytest.mark.portable

Headers = dict[str, str]
VECTORS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\x0b>alert(1)</script>",
    "<script/src=data:,alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text y=1em>x</text></a></svg>",
    "<svg><animate attributeName=href values=javascript:alert(1) /><a id=x><text y=20>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    '<math><mi//xlink:href="data:x,<script>alert(4)</script>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>',
    '<textarea><img title="</textarea><img src onerror=alert(1)>"></textarea>',
    '<title><img title="</title><img src onerror=alert(1)>"></title>',
    '<xmp><p title="</xmp><img src=x onerror=alert(1)>"></xmp>',
    "<template><img src=x onerror=alert(1)></template>",
    "<template shadowrootmode=open><script>alert(1)</script></template>",
    "<img src=x onerror=alert(1)>",
    "<img src=x oneonerrorrror=alert(1)>",
    "<img src='x' onerror\x0c=alert(1)>",
    '<img src="javascript:alert(1)">',
    "<img src=x:alert(alt) onerror=eval(src) alt=1>",
    "<img srcset='javascript:alert(1) 1x'>",
    "<img src=data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href=' &#14; javascript:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href='java&Tab;script:alert(1)'>x</a>",
    "<a href='jav&#x09;ascript:alert(1)'>x</a>",
    "<a href='java script:alert(1)'>x</a>",
    "<a href='\u200bjava\u2028script:alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href='javascript&colon;alert(1)'>x</a>",
    "<a href='&#106;&#97;&#118;&#97;script:alert(1)'>x</a>",
    "<a href='\x01javascript:alert(1)'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='>x</a>",
    "<a href='view-source:javascript:alert(1)'>x</a>",
    "<a href='https://a.example/' onclick=alert(1) style='position:fixed;inset:0' target=_blank ping=//evil>x</a>",
    '<a href="https://a.example/&quot; onmouseover=alert(1) x=&quot;">x</a>',
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object><embed src=javascript:alert(1)>",
    "<base href=//evil.example/><meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<link rel=stylesheet href=//evil.example/x.css><style>@import '//evil.example'</style>",
    "<form action=javascript:alert(1)><input type=submit formaction=javascript:alert(1)></form><button>x</button>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<video><source onerror=alert(1)></video><audio src=x onerror=alert(1)></audio>",
    "<body onload=alert(1)><marquee onstart=alert(1)>x</marquee>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<div id=cookie name=x class=y>clobber</div><a id=getElementById>x</a>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml-stylesheet href='javascript:alert(1)'?>",
    "<table><td background=javascript:alert(1)><tr><script>alert(1)</script></table>",
    "<figure data-embed='javascript:alert(1)' data-provider='\"><script>alert(1)</script>'></figure>",
    "<figure data-embed=\"https://a.example/'onx='\"><a href='javascript:alert(1)'>x</a></figure>",
    "<pre data-language='\"><img src=x onerror=alert(1)>'>x</pre>",
    "<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp;lt;img src=x onerror=alert(1)&amp;gt;</p>",
    '<a title="</a><script>alert(1)</script>" href=/x>x</a>',
    "<custom-element onfocus=alert(1) autofocus tabindex=1>x</custom-element>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e <\u0131mg src=x onerror=alert(1)>",
    "[x](javascript:alert(1)) [y](<java\tscript:alert(1)>) ![z](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=) <javascript:alert(1)>",
    '[a]\n\n[a]: javascript:alert(1) "<script>alert(1)</script>"',
    '![x](https://a.example/"onerror="alert(1)) ![y](x \'a" onerror="alert(1)\')',
    '```"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```',
    "`<script>alert(1)</script>` \\<script>alert(1)\\</script> &lt;script&gt;",
    "| <img src=x onerror=alert(1)> |\n|---|\n| [x](javascript:alert(1)) |",
    "<audio src=javascript:alert(1) onplay=alert(1)></audio><video src=/x poster=javascript:alert(1) autoplay></video>",
    "<video src=/x><source src='data:text/html,<script>x</script>' type='\"><script>'><track src=javascript:></video>",
    "<figure data-embed='https://x.com/a/status/1'><blockquote><a href=javascript:alert(1)>x</a></blockquote></figure>",
    "<blockquote class=twitter-tweet cite='javascript:x'><p onclick=x>x<a href='javascript:'>y</a></blockquote>",
    "<details open ontoggle=alert(1)><summary onclick=x>a<img src=x onerror=alert(1)></summary><p>b</details>",
    "<aside class='x\" onmouseover=\"alert(1)' data-kind='\"><script>'>x</aside><dl><dt onclick=x>a<dd>b</dl>",
    "<p>a<a href='#\"><script>x</script>'>1</a></p><ol data-footnotes><li id='\"><script>x</script>'>n</ol>",
    "<h2 id='x\" onclick=\"alert(1)'>x</h2><a name='\"><img src=x onerror=alert(1)>'></a><h3 id=defaultView>y</h3>",
    "<p dir='rtl\" onclick=\"x' lang='\"><script>'>x <bdo dir='\"><script>alert(1)</script>'>y</bdo></p>",
    "<ul><li><input type=image src=x onerror=alert(1)>x<li><input type=checkbox checked onclick=alert(1)> y</ul>",
    "<table><td align='\"><script>' style='text-align:right;background:url(javascript:x)' scope=x>a<td>b</table>",
    "x[^1] ^[<img src=x onerror=alert(1)>]\n\n[^1]: <script>alert(1)</script> [y](javascript:alert(1))",
    'Term\n: <img src=x onerror=alert(1)>\n\n- [x] [z](javascript:alert(1))\n\n## T {#x"onclick=alert(1)}',
    "<a href='tel:+1\" onclick=\"alert(1)'>x</a> <a href='sms:javascript:alert(1)'>y</a> <a href='blob:x'>z</a>",
]
ELEMENTS = set(
    "a abbr aside audio b bdi bdo blockquote br caption cite code dd del details dl dt em figcaption figure h1 h2 h3 "
    "h4 h5 h6 hr i img input ins kbd li mark ol p pre q s samp small source span strong sub summary sup table tbody td "
    "tfoot th thead time tr track u ul var video".split()
)
ATTRIBUTES = set(
    "href title alt src width height rel colspan rowspan scope datetime start data-embed data-provider data-language "
    "data-block id align checked controls data-fn data-footnotes data-gallery data-kind default dir disabled kind "
    "label lang open poster reversed srclang type value".split()
)
ADDRESSES = {"href", "src", "data-embed", "poster"}
# `document.x`, and `window.x` as a text, are made by ids and names of these.
CLOBBERING = {"a", "embed", "form", "iframe", "img", "input", "object"}
SCHEMES = {"http:", "https:", "mailto:", "tel:", "sms:", "geo:", "xmpp:"}
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def serialised(html: str) -> str:
    """The HTML as a browser would write it out again."""
    body = LexborHTMLParser(f"<!doctype html><body>{html}").body
    return (body.inner_html or "") if body is not None else ""


def faults(html: str) -> Iterator[str]:
    """What a browser would run or load, or show as more than text, in a piece of HTML; its own serialisation too."""
    for text in (html, serialised(html)):
        body = LexborHTMLParser(f"<!doctype html><body>{text}").body
        assert body is not None
        for node in body.traverse(include_text=False):
            if node.tag == "body" or (node.tag == "div" and not node.attributes):
                continue
            if node.tag not in ELEMENTS:
                yield f"element {node.tag}"
            if node.tag == "input" and ("disabled" not in node.attributes or node.attributes["type"] != "checkbox"):
                yield "a field"
            if node.tag in CLOBBERING and {"id", "name"} & node.attributes.keys():
                yield f"a name of {node.tag}"
            for name, value in node.attributes.items():
                if name not in ATTRIBUTES:
                    yield f"attribute {name}"
                if name in ADDRESSES and not is_harmless(value or ""):
                    yield f"address {value}"
    if re.search(r"<!|<\?", html):
        yield "a comment or a declaration"


def is_harmless(address: str) -> bool:
    """Whether an address is relative or of the web, however it is written."""
    bare = re.sub(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028\u2029\ufeff]", "", address)
    found = _SCHEME.match(bare) or _SCHEME.match(unquote(bare))
    return found is None or found[0].lower() in SCHEMES


def render(markdown: str) -> str:
    """Markdown as a front end that lets HTML through would show it."""
    html = str(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))
    return html.replace("<!-- -->", "")  # which stands between two lists, so that they stay two


def check_body(body: dict[str, Any]) -> None:
    """All forms of a text."""
    assert list(faults(body["html"])) == [], body["html"]
    assert list(faults(render(body["markdown"]))) == [], body["markdown"]
    for block in body.get("blocks") or []:
        for value in strings(block, {"href", "src", "url", "embed", "poster", "link"}):
            assert is_harmless(value), block


def strings(value: Any, names: set[str]) -> Iterator[str]:
    """Strings under these names anywhere inside."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in names and isinstance(inner, str):
                yield inner
            yield from strings(inner, names)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, names)


def sendable(text: str) -> str:
    """Without the control characters that the API refuses outright."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text)


def as_dict(body: Body) -> dict[str, Any]:
    return {"html": body.html, "markdown": body.markdown, "blocks": body.blocks}


def test_the_check_finds_what_it_should() -> None:
    alive = [vector for vector in VECTORS if list(faults(vector))]
    assert len(alive) > len(VECTORS) - 12, "only what is Markdown or text is harmless as HTML"
    for html in ("<p onclick=x>", "<a href=' javascript:x'>", "<svg>", "<p>x</p><!-- -->", "<img src=data:x>"):
        assert list(faults(html)), html
    assert not list(faults("<p>&lt;script&gt; <a href='/x?a=javascript:1' rel='noopener'>x</a></p>"))


def test_bodies_are_inert(client: TestClient, editor: Headers) -> None:
    everything = sendable("\n\n".join(VECTORS))
    for form in ("html", "markdown"):
        for text in (everything, f"<p>{everything}</p>"):
            article = make.published(client, editor, body={form: text})
            seen = make.ok(client.get(f"/v1/articles/{article['id']}?formats=html,markdown,text,blocks"))
            check_body(seen["body"])
            url = f"/v1/articles/{article['id']}/revisions/1?formats=html,markdown,blocks"
            check_body(make.ok(client.get(url, headers=editor))["body"])
            listed = make.ok(client.get(f"/v1/articles?ids={article['id']}&formats=html,markdown"))["data"][0]
            check_body(listed["body"])


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_each_vector_alone_and_in_context(vector: str) -> None:
    for text in (vector, f"<p>a {vector} b</p>", f"<blockquote><ul><li>{vector}</ul></blockquote>", f"a\n\n{vector}\n"):
        check_body(as_dict(body_from_html(text)))
        check_body(as_dict(body_from_markdown(text)))
        html, _ = render_note(text, None)
        assert list(faults(html)) == []
        html, _ = render_note(None, sendable(text))
        assert list(faults(html)) == []
        assert not LexborHTMLParser(html).css("script, img, svg, a"), "text stays text"


def test_what_articles_stand_under_is_inert(client: TestClient, editor: Headers) -> None:
    everything = sendable("\n\n".join(VECTORS))
    author = make.author(client, editor, "<script>alert(1)</script>", bio_html=everything)
    assert list(faults(author["bio_html"])) == []
    anything = {**editor, "If-Match": "*"}
    url = f"/v1/authors/{author['id']}"
    changed = make.ok(client.patch(url, json={"bio_text": everything}, headers=anything))
    assert list(faults(changed["bio_html"])) == []
    changed = make.ok(client.patch(url, json={"bio_html": everything[:3000][::-1] + everything}, headers=anything))
    assert list(faults(changed["bio_html"])) == []
    for form in ("html", "text"):
        notice = make.notice(client, editor, scope="site", placement="both", **{form: everything})
        url = f"/v1/notices/{notice['id']}"
        assert list(faults(make.ok(client.get(url, headers=editor))["html"])) == []
        patched = make.ok(client.patch(url, json={form: f"<i>{everything}</i>"}, headers=anything))
        assert list(faults(patched["html"])) == []
    make.published(client, editor, "Shown", authors=[author["slug"]])
    for shown in make.ok(client.get("/v1/articles/shown"))["notices"]:
        assert list(faults(shown["html"])) == []


def test_text_is_text_and_is_said_to_be_json(client: TestClient, editor: Headers) -> None:
    """Titles and names hold what was written; no answer can be taken for a page, not even an error."""
    word = "<script>alert('x')</script> & <img src=x onerror=alert(1)>"
    make.section(client, editor, word, slug="s", description=word)
    make.author(client, editor, word, slug="a")
    article = make.published(client, editor, word, dek=word, section="s", authors=["a"], tags=[word])
    make.act(client, editor, article, "corrections", {"text": word})
    urls = ["/v1/articles", f"/v1/articles/{article['id']}", "/v1/sections/s", "/v1/authors/a", "/v1/tags"]
    urls += [f"/v1/articles/{word}", f"/v1/{word}", f"/v1/articles?tag={word}&x={word}", f"/v1/resolve?path=/{word}"]
    for url in urls:
        answer = client.get(url, headers={"Accept": "text/html"})
        assert answer.headers["content-type"] in {"application/json", "application/problem+json"}
        assert answer.headers["x-content-type-options"] == "nosniff"
    seen = make.ok(client.get(f"/v1/articles/{article['id']}"))
    assert seen["title"] == seen["dek"] == seen["section"]["name"] == seen["tags"][0]["name"] == word
    assert seen["corrections"][0]["text"] == word
    assert word not in client.get("/docs").text
    assert "script-src 'self';" in client.get("/docs").headers["content-security-policy"]
    assert "default-src 'none'" in client.get("/docs").headers["content-security-policy"]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "https://a@evil.example/",
        "x",
    ],
)
def test_addresses_are_of_the_web(client: TestClient, editor: Headers, url: str) -> None:
    assert client.post("/v1/authors", json={"name": "A", "url": url}, headers=editor).status_code == 422


FRAGMENTS = (
    "<p> </p> <svg> </svg> <math> </math> <style> </style> <!-- --> <a <img src= href= ' \" > < / = "
    "javascript: <table> <td> <select> <option> <template> </template> <mtext> <mglyph> <noscript> "
    "<textarea> </textarea> <title> </title> &lt; &gt; &quot; &#39; &#x6a; ``` ` ![ ]( ) [ ] * _ | --- # "
    "<br> <pre> <code> </pre> <xmp> <desc> <foreignObject> onerror=alert(1) <figure data-embed= "
    "<annotation-xml encoding=text/html>"
).split(" ")
PIECES = st.one_of(st.sampled_from(VECTORS), st.sampled_from([*FRAGMENTS, "\n", "\n\n"]), st.text(max_size=4))


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_whatever_is_put_together_is_inert(text: str) -> None:
    check_body(as_dict(body_from_html(text)))
    check_body(as_dict(body_from_markdown(text)))
    assert list(faults(render_note(text, None)[0])) == []


def faults_for_libxml2(html: str) -> Iterator[str]:
    """What a parser that shares no code with ours finds in a piece of HTML."""
    for node in lxml.html.document_fromstring(f"<!doctype html><body><div>{html}</div>").find(".//body/div").iter():
        if not isinstance(node.tag, str) or node.tag not in ELEMENTS | {"div"}:
            yield f"element {node.tag}"
        for name, value in node.attrib.items():
            known = ATTRIBUTES | {"class"} if node.tag == "code" else ATTRIBUTES  # Markdown names languages so
            scheme = _SCHEME.match(re.sub(r"[\x00-\x20\u200b\ufeff]", "", value)) if name in ADDRESSES else None
            if name not in known or (scheme and scheme[0].lower() not in SCHEMES):
                yield f"attribute {name} {value}"


@pytest.mark.long
def test_generated_vectors_are_inert_to_another_parser() -> None:
    reader = MarkdownIt("commonmark", {"html": True})  # one that knows no footnotes, and lets every address through
    reader.validateLink = lambda url: True  # type: ignore[method-assign]
    alive = 0
    generated = make_vectors(effort("VECTORS", 30, long=5000), random.randrange(2**32))
    for vector in (*VECTORS, "x[^1]\n\n[^1]: javascript:alert(1)", *generated):
        alive += any(faults_for_libxml2(vector))
        bodies = (body_from_html(vector), body_from_markdown(vector))
        everything = [html for body in bodies for html in (body.html, reader.render(body.markdown))]
        everything = [html.replace("<!-- -->", "") for html in everything]  # which stands between two lists
        everything += [render_note(vector, None)[0], render_note(None, sendable(vector))[0]]
        with suppress(ValueError):  # a comment that shows nothing, or is beyond all bounds
            everything += [render_markdown(sendable(vector)).html, clean_html(vector).html]
        for html in filter(None, everything):
            assert list(faults_for_libxml2(html)) == [], (vector, html)
    assert alive > len(VECTORS) / 2

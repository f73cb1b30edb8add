import re
from collections import Counter
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.blocks.convert import body_from_html
from app.importers.wordpress.content import convert_content
from app.importers.wordpress.paragraphs import add_paragraphs
from app.importers.wordpress.reader import read
from app.importers.wordpress.records import Item
from app.importers.wordpress.shortcodes import Attachment, Library

HARBOUR = Path(__file__).with_name("harbour.xml")
SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "wordpress-theme-unit-test.xml"
FILES = [path for path in (HARBOUR, SHARED) if path.exists()]

IMAGES = {
    1: Attachment("https://files.example/1.jpg", 'A "small" boat', "The <em>boat</em>"),
    2: Attachment("https://files.example/2.jpg"),
    3: Attachment("https://files.example/3.mp3"),
}
BLOCKS = {7: "<!-- wp:paragraph --><p>Reused</p><!-- /wp:paragraph -->", 8: 'Loop <!-- wp:block {"ref":8} /-->'}
LIBRARY = Library(IMAGES.get, lambda number: (2,) if number else (1, 2), BLOCKS.get)

FIRST = (
    '<figure><img src="https://files.example/1.jpg" alt="A &quot;small&quot; boat">'
    "<figcaption>The <em>boat</em></figcaption></figure>"
)
SECOND = '<figure><img src="https://files.example/2.jpg" alt=""></figure>'


def frame(url: str) -> str:
    return f'<iframe src="{url}"></iframe>'


def converted(content: str) -> str:
    """The HTML without the line breaks that carry no meaning."""
    return re.sub(r"\s*\n\s*", "", convert_content(content, LIBRARY).html)


def words(html: str) -> Counter[str]:
    visible = re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)
    return Counter(re.findall(r"\w+", unescape(re.sub(r"<[^<>]*>", " ", visible))))


@pytest.mark.parametrize(
    ("content", "html"),
    [
        ("", ""),
        ("One\ntwo\r\n\r\nThree", "<p>One<br>two</p><p>Three</p>"),
        ("One<br />\ntwo", "<p>One<br>two</p>"),
        ("One\n \t\n\n\nTwo", "<p>One</p><p>Two</p>"),
        ("<p>One\ntwo</p>\n\n<p>Three", "<p>One<br>two</p><p>Three"),
        ("One\n<h2>Two</h2>\nThree", "<p>One</p><h2>Two</h2><p>Three</p>"),
        ("<ul>\n<li>a</li>\n<li>b\nc</li>\n</ul>\nd", "<ul><li>a</li><li>b<br>c</li></ul><p>d</p>"),
        ("<ol><li>a\n\nb</ol>c", "<ol><li><p>a</p><p>b</p></ol><p>c</p>"),
        ("<blockquote>One\n\nTwo</blockquote>", "<blockquote><p>One</p><p>Two</p></blockquote>"),
        ("<table>\n<tr>\n<td>a</td>\n\n</tr>\n</table>", "<table><tr><td>a</td></tr></table>"),
        ("A\n\n<hr />\n\nB", "<p>A</p><hr /><p>B</p>"),
        ('<a\nhref="https://x.example">b</a> c', '<p><a href="https://x.example">b</a> c</p>'),
        ("<a href='java\nscript:x'>b</a> c", "<p><a href='java\tscript:x'>b</a> c</p>"),
        ("2 < 3\n\n</div>end", "<p>2 < 3</p></div><p>end</p>"),
    ],
)
def test_the_classic_editors_lines(content: str, html: str) -> None:
    assert converted(content) == html


def test_preformatted_text_keeps_every_line_and_shortcode() -> None:
    code = "<pre>if x:\n\n    https://x.example\n[gallery]</pre>"
    assert convert_content(f"Look:\n{code}", LIBRARY).html == f"<p>Look:</p>\n{code}"


@pytest.mark.parametrize(
    ("content", "html"),
    [
        (
            '[caption id="a_1" width="9"]<a href="/b"><img src="/1.jpg" alt="a > b" /></a> By <b>me</b>[/caption]',
            '<figure><a href="/b"><img src="/1.jpg" alt="a > b" /></a><figcaption>By <b>me</b></figcaption></figure>',
        ),
        (
            "[wp_caption caption='Old &amp; good']<img src=\"/1.jpg\">[/wp_caption] after",
            '<figure><img src="/1.jpg"><figcaption>Old &amp; good</figcaption></figure><p>after</p>',
        ),
        ('[caption]<img src="/1.jpg">[/caption]', '<figure><img src="/1.jpg"></figure>'),
        ("[caption caption='Below']No picture[/caption]", "<p>No picture</p><p>Below</p>"),
        ('[gallery ids="1, 2"]', FIRST + SECOND),
        ("[gallery columns=3]", FIRST + SECOND),
        ("[gallery id=9]", SECOND),
        ("a [gallery exclude='1' /] b", f"<p>a</p>{SECOND}<p>b</p>"),
        ('[playlist ids="3"]', f"<figure>{frame('https://files.example/3.mp3')}</figure>"),
        ("[embed width=4]https://v.example/?a=1&amp;b=2[/embed]", frame("https://v.example/?a=1&amp;b=2")),
        ("[video width='4' mp4='https://v.example/a.mp4'][/video]", frame("https://v.example/a.mp4")),
        ("[audio https://v.example/a.mp3]", frame("https://v.example/a.mp3")),
        ("[AUDIO src=//v.example/a.mp3]words[/AUDIO]", frame("https://v.example/a.mp3") + "<p>words</p>"),
        ("[youtube dQ-_1]", frame("https://www.youtube.com/watch?v=dQ-_1")),
        ("[youtube=https://y.example/watch?v=1&w=3]", frame("https://y.example/watch?v=1&amp;w=3")),
        ('[vimeo id="12" width=3]', frame("https://vimeo.com/12")),
        ("[[gallery]] and [[caption]x[/caption]]", "<p>[gallery] and [caption]x[/caption]</p>"),
        ("<code>[[gallery]] [gallery] m[[i]]</code>", "<p><code>[gallery] [gallery] m[[i]]</code></p>"),
        ('<a title="[gallery]">x</a>', '<p><a title="[gallery]">x</a></p>'),
    ],
)
def test_shortcodes(content: str, html: str) -> None:
    assert converted(content) == html
    assert convert_content(content, LIBRARY).warnings == ()


@pytest.mark.parametrize(
    ("content", "html", "warnings"),
    [
        ('[form id="1"]', '<p>[form id="1"]</p>', ("shortcode [form] is kept as text",)),
        ("[box]words[/box] [box]x[/box]", "<p>[box]words[/box] [box]x[/box]</p>", ("shortcode [box] is kept as text",)),
        ("a\n[map]\nb", "<p>a<br>[map]<br>b</p>", ("shortcode [map] is kept as text",)),
        ("he [the poet] wrote [sic] [1].", "<p>he [the poet] wrote [sic] [1].</p>", ()),
        ("[youtube] here", "<p>[youtube] here</p>", ("shortcode [youtube] is kept as text",)),
        ("[caption]unclosed", "<p>[caption]unclosed</p>", ("shortcode [caption] is kept as text",)),
        (
            "[audio A] text [audio src='https://v.example/b.mp3'][/audio]",
            f"<p>[audio A] text</p>{frame('https://v.example/b.mp3')}",
            ("shortcode [audio] is kept as text",),
        ),
        ('[gallery ids="2,99"]', SECOND, ("shortcode [gallery]: attachment 99 is not in the file",)),
        ("x [gallery exclude='1,2']", "<p>x</p>", ("shortcode [gallery] has nothing to show and is removed",)),
    ],
)
def test_what_is_not_understood_stays_and_is_named(content: str, html: str, warnings: tuple[str, ...]) -> None:
    assert converted(content) == html
    assert convert_content(content, LIBRARY).warnings == warnings


@pytest.mark.parametrize(
    ("content", "html"),
    [
        ("a\n\nhttps://v.example/1?b=2&c=3\n\nd", f"<p>a</p>{frame('https://v.example/1?b=2&amp;c=3')}<p>d</p>"),
        ("<p>\nhttps://v.example/1\n</p>", frame("https://v.example/1")),
        ("see https://v.example/1", "<p>see https://v.example/1</p>"),
        ('<a href="/x">\nhttps://v.example/1</a>', '<p><a href="/x"><br>https://v.example/1</a></p>'),
        ('<video controls><source src="//v.example/a.mp4">Old browser</video>', frame("https://v.example/a.mp4")),
        (
            '<object><param name="movie" value="x"><embed src="https://v.example/s"></object>b',
            f"{frame('https://v.example/s')}<p>b</p>",
        ),
        ('<embed src="https://v.example/s" />', frame("https://v.example/s")),
        (
            '<pre><video src="https://v.example/s"></video></pre>',
            '<pre><video src="https://v.example/s"></video></pre>',
        ),
    ],
)
def test_players_and_lone_addresses_become_embeds(content: str, html: str) -> None:
    assert converted(content) == html


def test_a_player_without_an_address_is_named() -> None:
    assert convert_content('<video src="blob:1"></video>').warnings == (
        "a player (video) has no web address and is kept unchanged",
    )


@pytest.mark.parametrize(
    ("content", "html", "warnings"),
    [
        ("<!-- wp:paragraph -->\n<p>One\ntwo</p>\n<!-- /wp:paragraph -->", "<p>Onetwo</p>", ()),
        ("<!-- wp:more -->\n<!--more Go on-->\n<!-- /wp:more --><!-- wp:nextpage /-->", "", ()),
        (
            '<!-- wp:latest-posts {"a":{"b":1}} /--><!-- wp:core/search /--><!-- wp:latest-posts /-->',
            "",
            (
                "block latest-posts has no content of its own and is removed",
                "block search has no content of its own and is removed",
            ),
        ),
        (
            '<!-- wp:embed {"url":"x"} -->\n<figure><div class="wrapper">\nhttps://v.example/?a&amp;b\n</div>'
            "<figcaption>Film</figcaption></figure>\n<!-- /wp:embed -->",
            f'<figure><div class="wrapper">{frame("https://v.example/?a&amp;b")}</div><figcaption>Film</figcaption></figure>',
            (),
        ),
        ('<!-- wp:core-embed/youtube {"url":"https://v.example/2"} /-->', frame("https://v.example/2"), ()),
        (
            '<!-- wp:navigation-link {"label":"Home","url":"https://x.example/?a&b"} /-->',
            '<p><a href="https://x.example/?a&amp;b">Home</a></p>',
            (),
        ),
        (
            '<!-- wp:file --><a href="/f">Tides</a><a href="/f" class="wp-block-file__button">Get</a><!-- /wp:file -->',
            '<a href="/f">Tides</a> <a href="/f" class="wp-block-file__button">Get</a>',
            (),
        ),
        ('<!-- wp:block {"ref":7} /-->', "<p>Reused</p>", ()),
        ('<!-- wp:block {"ref":8} /-->', "Loop", ("block block has no content of its own and is removed",)),
        ('<!-- wp:block {"ref":9} /-->', "", ("block block has no content of its own and is removed",)),
        ("<!-- wp:shortcode -->\n[vimeo 12]\n<!-- /wp:shortcode -->", frame("https://vimeo.com/12"), ()),
        (
            "<!-- wp:thing {broken} /--><p>kept</p>",
            "<p>kept</p>",
            ("block thing has no content of its own and is removed",),
        ),
    ],
)
def test_the_block_editor(content: str, html: str, warnings: tuple[str, ...]) -> None:
    assert converted(content) == html
    assert convert_content(content, LIBRARY).warnings == warnings


def test_marks_of_the_classic_editor_are_removed() -> None:
    assert converted("A\n\n<!--more-->\n\nB<!-- note -->\n<!--nextpage-->\nC") == "<p>A</p><p>B</p><p>C</p>"


def test_an_example_of_our_own_file() -> None:
    items = {record.post_id: record for record in read(HARBOUR) if isinstance(record, Item)}
    pictures = {201: Attachment(items[201].attachment_url, items[201].alt_text, items[201].excerpt)}
    library = Library(pictures.get, reusable=lambda number: items[number].content)
    classic, blocks = convert_content(items[101].content, library), convert_content(items[102].content, library)
    assert re.sub(r"\s*\n\s*", "", classic.html) == (
        '<figure><img src="https://harbour.example/ferry.jpg" alt="A ferry" /><figcaption>The ferry leaves</figcaption>'
        f"</figure><p>The ferry went at six.<br>Nobody waved.</p>{frame('https://video.example/watch?v=1&amp;t=2')}"
        '<p>It will not return [sic].</p><figure><img src="https://harbour.example/files/ferry.jpg" '
        'alt="A ferry at the quay"><figcaption>Leaving at <em>six</em></figcaption></figure>'
        '<p>[tide-table port="north"]</p>'
    )
    assert classic.warnings == (
        "shortcode [gallery]: attachment 999 is not in the file",
        "shortcode [tide-table] is kept as text",
    )
    assert "<p>Ring the harbour office.</p>" in blocks.html
    assert "<figcaption>A film</figcaption>" in blocks.html
    assert blocks.warnings == ("block latest-posts has no content of its own and is removed",)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_visible_word_of_a_whole_file_is_lost(path: Path) -> None:
    bodies = [record.content for record in read(path) if isinstance(record, Item) and record.content]
    assert bodies
    for body in bodies:
        spoken = re.sub(r"\[/?(?:caption|gallery|audio|video|embed)\b[^\[\]]*\]|https?://[^\s<>\]]+", " ", body)
        assert not words(spoken) - words(convert_content(body, LIBRARY).html)


TAGS = "b p div li ul td blockquote h2 figure ol table code"
PIECES = st.sampled_from(
    [
        *("word", "other", "é", "日本", " ", "\n", "\n\n", "\n \t", "&", "&amp;", "<", ">", "--", "/"),
        *(
            "[",
            "]",
            "[[",
            "]]",
            "[box]",
            "[/box]",
            "[[box]]",
            "[sic]",
            "[box a='b']",
            " https://x.example ",
            "\nhttps://y\n",
        ),
        *("<br>", "<hr>", '<a href="/x">', "</a>", '<img src="/y">', "<!-- wp:x -->"),
        *(f"<{slash}{tag}>" for tag in TAGS.split() for slash in ("", "/")),
    ]
)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=30))
def test_neither_paragraphs_nor_the_whole_lose_a_word(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert words(add_paragraphs(text)) == words(text)
    assert not words(re.sub(r"https?://[^\s<>\[\]]*", " ", text)) - words(convert_content(text).html)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=30))
def test_paragraphs_only_add_marks_and_change_space(pieces: list[str]) -> None:
    text = "".join(pieces)

    def bare(html: str) -> str:
        return re.sub(r"</?p>|<br>|\s", "", html)

    assert bare(add_paragraphs(text)) == bare(text)


@pytest.mark.parametrize(
    "hostile",
    [
        " " * 50_000 + "x",
        "[caption]" * 5_000,
        "[caption]" * 2_500 + "[/caption]" * 2_500,
        "[audio][video][embed]" * 1_000 + "[/embed][/video][/audio]" * 1_000,
        "<div>" * 4_000 + "</p>" * 4_000,
        "<!-- wp:a " * 4_000,
        "<!-- wp:a" + " " * 40_000 + "x -->",
        "<video " * 6_000,
    ],
    ids=range(8),
)
def test_hostile_bodies_are_read_in_linear_time_and_do_not_grow(hostile: str) -> None:
    assert len(convert_content(hostile).html) <= len(hostile) + 100


LITERAL = "if (a < b) {\n\n    <!-- wp:x -->[gallery]\n}"


@pytest.mark.parametrize(
    ("content", "code", "language"),
    [
        (f"Before [code]{LITERAL}[/code] after", LITERAL, None),
        (f"[sourcecode language='CSS' title=\"x\"]\n{LITERAL}\n[/sourcecode]", LITERAL, "css"),
        (f"[php]{LITERAL}[/PHP]", LITERAL, "php"),
        ("[code lang=text]a &lt; b &amp;&amp; c[/code]", "a < b && c", None),
        ("[code=js]a &amp; <b>[/code]", "a &amp; <b>", "js"),
        ("<pre>[code lang=go]<i>x</i>[/code]</pre>", "<i>x</i>", "go"),
        (f"<!-- wp:shortcode -->\n[css]{LITERAL}[/css]\n<!-- /wp:shortcode -->", LITERAL, "css"),
        (
            '<!-- wp:syntaxhighlighter/code {"language":"css"} -->\n<pre class="wp-block-x">.a {}</pre>\n'
            "<!-- /wp:syntaxhighlighter/code -->",
            ".a {}",
            "css",
        ),
        (
            '<!-- wp:code {"lang":"rust"} -->\n<pre class="wp-block-code"><code>let</code></pre>\n<!-- /wp:code -->',
            "let",
            "rust",
        ),
        (
            '<!-- wp:code {"language":"rust"} -->\n<pre data-language="go"><code>let</code></pre>\n<!-- /wp:code -->',
            "let",
            "go",
        ),
    ],
)
def test_code_is_literal_and_has_its_language(content: str, code: str, language: str | None) -> None:
    blocks = body_from_html(convert_content(f"{content}\n\nLast").html).blocks
    (found,) = [block for block in blocks if block["type"] == "code"]
    assert (found["text"], found["language"]) == (code, language)
    assert blocks[-1]["type"] == "paragraph"
    assert blocks[-1]["text"].split() == (["after", "Last"] if "after" in content else ["Last"])
    assert blocks[-1]["marks"] == []


@pytest.mark.parametrize("content", ["[[code]x[/code]]", "[code]x", "a [c] b", "<code>[css]x[/css]</code>"])
def test_what_is_no_code_shortcode_stays(content: str) -> None:
    assert "<pre>" not in convert_content(content).html


def test_numbers_of_a_list_come_from_its_block() -> None:
    content = '<!-- wp:list {"ordered":true,"start":4,"type":"upper-roman"} -->\n<ol><li>x</li></ol>\n<!-- /wp:list -->'
    assert convert_content(content).html == '<ol start="4" type="I"><li>x</li></ol>'
    written = content.replace("<ol>", '<ol start="5">')
    assert convert_content(written).html == '<ol type="I" start="5"><li>x</li></ol>'


NOTES = '[{"id":"n-1","content":"See <em>there</em>."},{"id":"n-2","content":"And there."}]'
REFERENCE = '<p>Tide<sup data-fn="n-1" class="fn"><a href="#n-1" id="n-1-link">1</a></sup></p>'


@pytest.mark.parametrize("block", ["<!-- wp:footnotes /-->", '<!-- wp:footnotes {"className":"x"} /-->', ""])
def test_footnotes_stand_where_their_block_is(block: str) -> None:
    found = convert_content(
        f"<!-- wp:paragraph -->{REFERENCE}<!-- /wp:paragraph -->\n{block}", Library(footnotes=NOTES)
    )
    assert found.warnings == ()
    assert '<ol class="wp-block-footnotes"><li id="n-1">See <em>there</em>. <a href="#n-1-link"' in found.html
    assert found.html.count("<ol") == 1
    text = body_from_html(found.html).text
    assert text.index("See there.") < text.index("And there.")


@pytest.mark.parametrize("notes", ["", "no JSON", "[" * 5000, "[1]", '{"id":"a"}'])
def test_a_block_of_footnotes_without_notes_is_told(notes: str) -> None:
    found = convert_content("<!-- wp:footnotes /-->", Library(footnotes=notes))
    assert found.warnings == ("block footnotes has no content of its own and is removed",)

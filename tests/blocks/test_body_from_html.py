"""HTML as it is found in the world becomes the blocks that its author meant."""

import re

import pytest
from pydantic import TypeAdapter

from app.blocks.convert import body_from_html, body_from_markdown
from app.blocks.flatten import map_blocks
from app.blocks.schemas import Block
from app.text.html import html_to_text


def kinds(html):
    return [(block["type"], block["text"]) for block in body_from_html(html).blocks]


def only(html):
    (block,) = body_from_html(html).blocks
    return block


def marks(block):
    return [(mark["type"], block["text"][mark["start"] : mark["end"]]) for mark in block["marks"]]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", []),
        ("bare text", [("paragraph", "bare text")]),
        ("one<br>two<br><br>three", [("paragraph", "one\ntwo"), ("paragraph", "three")]),
        ("<div><div>in<p>out</p>on</div></div>", [("paragraph", "in"), ("paragraph", "out"), ("paragraph", "on")]),
        ("<p> a \n\t b </p><p>&nbsp;</p><p></p>", [("paragraph", "a b")]),
        ("<h2>A <b>b</b></h2><h6>c<br>d</h6><h1></h1>", [("heading", "A b"), ("heading", "c\nd")]),
        ("a<hr>b", [("paragraph", "a"), ("divider", ""), ("paragraph", "b")]),
        ("<dl><dt>Term<dd>Meaning</dl>", [("definitions", "Term\nMeaning")]),
        ("<unknown-tag>kept <blink>words</blink></unknown-tag>", [("paragraph", "kept words")]),
        ("<!-- wp:image --><p>a</p><!-- /wp:image --><!--more--><p>b", [("paragraph", "a"), ("paragraph", "b")]),
        ("a<script>b</script><style>c</style><noscript>d</noscript><svg><text>e</text></svg><template>f</template>g",
         [("paragraph", "ag")]),
        ("<details><summary>More</summary>text</details>", [("details", "More\n\ntext")]),
        ("<table><tr><td><p>only</p><p>a box</p></table>", [("paragraph", "only"), ("paragraph", "a box")]),
        ("x\u00a0y &amp; &lt;z&gt; &#1;&#146;", [("paragraph", "x\u00a0y & <z> ’")]),
        ("e&#x301;<b>&#x308;</b>", [("paragraph", "é\u0308")]),
        ("<pre class='wp-block-verse'>one\n  two\n\nthree</pre>", [("paragraph", "one\ntwo"), ("paragraph", "three")]),
    ],
)  # fmt: skip
def test_structure(html, expected):
    assert kinds(html) == expected


def test_marks_count_code_points_and_merge():
    block = only("<p>😀 <b>a<i>b</i></b><strong>c</strong> <a href='https://x.example' title=' T '>d</a></p>")
    assert block["text"] == "😀 abc d"
    assert marks(block) == [("strong", "abc"), ("emphasis", "b"), ("link", "d")]
    assert block["marks"][2] == {"type": "link", "start": 6, "end": 7, "href": "https://x.example", "title": "T"}


@pytest.mark.parametrize(
    ("tag", "kind"),
    [("u", "underline"), ("del", "strike"), ("s", "strike"), ("ins", "insertion"), ("mark", "highlight"),
     ("sup", "superscript"),
     ("sub", "subscript"), ("kbd", "code"), ("q", "quotation"), ("cite", "cite"), ("small", "small")],
)  # fmt: skip
def test_every_mark(tag, kind):
    assert marks(only(f"<p>a <{tag}>b</{tag}></p>")) == [(kind, "b")]


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", " java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "http://", "http://u:p@h/", ""],
)
def test_a_link_that_is_not_allowed_leaves_its_text(href):
    block = only(f'<p><a href="{href}">text</a></p>')
    assert (block["text"], block["marks"]) == ("text", [])


def test_large_images_leave_paragraphs_and_keep_their_links():
    blocks = body_from_html(
        '<p>a <a href="/big"><img src="/i.png" alt=" An  image " width="400" height="x"></a> b</p>'
    ).blocks
    assert [block["type"] for block in blocks] == ["paragraph", "image", "paragraph"]
    wanted = {"src": "/i.png", "alt": "An image", "title": None, "link": "/big", "width": 400, "height": None}
    assert {key: blocks[1][key] for key in wanted} == wanted


def test_figures():
    block = only('<figure class="x"><div><img src="/i.png" alt=""></div><figcaption>By <b>me</b></figcaption></figure>')
    assert (block["type"], block["text"], marks(block)) == ("image", "By me", [("strong", "me")])
    gallery = "<figure><figure><img src=/a><figcaption>A</figcaption></figure><img src=/b><figcaption>Both</figcaption>"
    block = only(gallery)
    assert (block["type"], block["text"], block["caption"]["text"]) == ("gallery", "A", "Both")
    assert [(image["src"], image["text"]) for image in block["images"]] == [("/a", "A"), ("/b", "")]
    pull = only("<figure><blockquote><p>Said</p></blockquote><figcaption>Who</figcaption></figure>")
    assert (pull["type"], pull["text"], pull["cite"]["text"]) == ("quote", "Said", "Who")


def test_an_image_that_is_not_allowed_leaves_its_alternative_text():
    assert kinds('<p>a <img src="data:image/png;base64,AAAA" alt="chart"> b</p>') == [("paragraph", "a chart b")]


@pytest.mark.parametrize(
    ("html", "url", "provider"),
    [
        ('<iframe src="https://www.youtube.com/embed/abcdefghijk?rel=0"></iframe>',
         "https://www.youtube.com/watch?v=abcdefghijk", "youtube"),
        ('<iframe src="//player.vimeo.com/video/123"></iframe>', "https://vimeo.com/123", "vimeo"),
        ("<object data='https://x.example/y'><embed src='https://x.example/z'></object>", "https://x.example/y", None),
        ('<figure class="wp-block-embed"><div class="wp-block-embed__wrapper">\nhttps://vimeo.com/9\n</div></figure>',
         "https://vimeo.com/9", "vimeo"),
    ],
)  # fmt: skip
def test_embeds(html, url, provider):
    block = only(html)
    assert (block["type"], block["url"], block["provider"]) == ("embed", url, provider)


def test_an_embed_is_served_as_a_link_and_never_as_a_frame():
    body = body_from_html('<iframe src="https://x.example/y" title="A film" onload="x()"></iframe>')
    assert body.html == (
        '<figure data-embed="https://x.example/y"><a href="https://x.example/y" rel="noopener">A film</a></figure>'
    )
    assert kinds('<iframe src="javascript:alert(1)"></iframe>') == []


def test_quotes():
    block = only(
        "<blockquote><p>One</p><p><i>Two</i></p><ul><li>three</ul><cite>Who, <cite>Where</cite></cite></blockquote>"
    )
    assert (block["text"], marks(block)) == ("One\n\nTwo\n\nthree", [])
    assert [inner["type"] for inner in block["blocks"]] == ["paragraph", "paragraph", "list"]
    assert marks(block["blocks"][1]) == [("emphasis", "Two")]
    assert block["cite"] == {"text": "Who, Where", "marks": []}
    quote = only("<blockquote>a<br><img src=/i alt=i><br>b</blockquote>")
    assert [(inner["type"], inner["text"]) for inner in quote["blocks"]] == [
        ("paragraph", "a"),
        ("image", ""),
        ("paragraph", "b"),
    ]


def test_lists():
    block = only("<ol start=3><li>a<ul><li><b>b</b><li>c</ul>d<li><p>e</p><p>f</p></ol>")
    assert (block["ordered"], block["start"], block["text"]) == (True, 3, "a\n\nb\nc\n\nd\ne\n\nf")
    first, last = block["items"]
    assert [(inner["type"], inner["text"]) for inner in first["blocks"]] == [
        ("paragraph", "a"),
        ("list", "b\nc"),
        ("paragraph", "d"),
    ]
    assert (last["text"], "blocks" in last) == ("e\n\nf", False)
    below = first["blocks"][1]
    assert (below["ordered"], [marks(item) for item in below["items"]]) == (False, [[("strong", "b")], []])
    misplaced = only("<ul><li>a</li><ul><li>b</li></ul>loose</ul>")
    assert [item["text"] for item in misplaced["items"]] == ["a", "loose"]
    assert misplaced["items"][0]["items"]["items"][0]["text"] == "b"


def test_a_list_goes_on_after_code_in_one_of_its_entries():
    block = only("<ol><li>a<pre>x = 1</pre>z</li><li>b</li></ol>")
    assert [inner["text"] for inner in block["items"][0]["blocks"]] == ["a", "x = 1", "z"]
    assert block["items"][1]["text"] == "b"


def test_code_keeps_its_spaces_and_language():
    block = only('<pre><code class="hljs language-python">if x:\n\n    y &lt; <b>1</b>\n</code></pre>')
    assert (block["text"], block["language"], block["marks"]) == ("if x:\n\n    y < 1", "python", [])


def test_tables():
    block = only(
        "<table><caption>Cap</caption><tr><th>A<th>B<tr><td rowspan=2>1<td>2<tr><td>3<p>4</p><tr><td colspan=2>5"
    )
    texts = [[cell["text"] for cell in row] for row in block["rows"]]
    assert texts == [["A", "B"], ["1", "2"], ["", "3\n4"], ["5", ""]]
    assert (block["header"], block["caption"]["text"], block["text"]) == (True, "Cap", "A\tB\n1\t2\n\t3\n4\n5\t")
    block = only("<table><tr><td><img src=/i></td><td></td></tr></table>")
    assert [inner["src"] for inner in block["rows"][0][0]["blocks"]] == ["/i"]


def test_markdown():
    body = body_from_markdown(
        "# T\n\na *b* ~~c~~ <u>d</u><script>x</script>\ne\\\nf\n\n| A | B |\n|---|---|\n| 1 | `2` |\n\n```py\nx\n```"
    )
    assert [block["type"] for block in body.blocks] == ["heading", "paragraph", "table", "code"]
    assert body.blocks[1]["text"] == "a b c d e\nf"
    assert marks(body.blocks[1]) == [("emphasis", "b"), ("strike", "c"), ("underline", "d")]
    assert body.blocks[3]["language"] == "py"
    assert "href" not in body_from_markdown("[x](javascript:alert(1))").html


def test_markdown_is_written_the_way_people_write_it():
    source = "## A title\n\nSome **bold**, _slanted_ and ~~struck~~ text with `code`, [a link](https://x.example \"T\").\n\n- one\n- two\n  1. three\n\n> Said\n>\n> <cite>Who</cite>\n\n![alt](/i.png)\n\n---\n\n```py\nx\n```\n\n| A | B |\n| --- | --- |\n| 1 | 2 |"  # fmt: skip  # noqa: E501
    assert body_from_markdown(source).markdown == source


def test_the_forms_of_a_body_agree():
    body = body_from_html(
        "<h2>Title</h2><p>One two.</p><table><caption>Cap</caption><tr><td>a<td>b</table>"
        "<blockquote><p>Q</p><cite>C</cite></blockquote>"
    )
    assert body.text == "Title\n\nOne two.\n\na\tb\n\nCap\n\nQ\n\nC"
    assert (body.words, body.excerpt) == (8, "One two. Q")
    assert [(span.id, body.text[span.start : span.end]) for span in map_blocks(body.blocks)] == [
        (block["id"], block["text"]) for block in body.blocks
    ]


def test_blocks_fit_their_published_schema():
    source = (
        "<h1>a</h1>b<ul><li>c<ol><li>d</ol></ul><pre>e</pre><hr><img src=/f><iframe src=https://g.example></iframe>"
    )
    source += "<table><tr><td>h<td rowspan=2>i<tr><td><pre>x</table><blockquote>j</blockquote><dl><dt>k<dd>l</dl>"
    source += "<details><summary>m</summary>n</details><aside>o</aside><audio src=/p></audio><video src=/q></video>"
    source += "<figure><img src=/r><img src=/s></figure><p>t<a href=#u>u</a> v <img src=/w alt=w></p>"
    source += "<ol data-footnotes><li id=u>x</ol>"
    adapter = TypeAdapter(list[Block])
    blocks = body_from_html(source).blocks
    assert adapter.validate_python(blocks, strict=True) == blocks
    assert {block["type"] for block in blocks} == set(adapter.json_schema()["items"]["discriminator"]["mapping"])


def test_no_visible_word_is_lost():
    html = """<div>loose <center>mid</center><p>para<ul><li>item<div>deep<table><tr><td>cell<td>two</table>tail</div>
    </ul>
    <form><label>label</label><button>press</button></form><h3>head<p>broken<blockquote>quote<h4>inner</h4><ol><li>last</ol>
    </blockquote><fieldset><legend>legend</legend>set</fieldset><address>where</address>
    <ruby>base <rt>note</rt></ruby>"""
    assert sorted(re.findall(r"\w+", body_from_html(html).text)) == sorted(re.findall(r"\w+", html_to_text(html)))

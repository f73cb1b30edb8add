"""Every kind of content that texts have comes in as it was written, and what does not is named."""

import pytest

from app.blocks.context import Dropped
from app.blocks.convert import Body, body_from_html, body_from_markdown
from app.blocks.ids import assign_ids


def shape(blocks):
    """Types of blocks in order, those inside of others in brackets."""
    inner = [(block["type"], [*shape(block.get("blocks", ())), *entries(block)]) for block in blocks]
    return [f"{kind}({' '.join(parts)})" if parts else kind for kind, parts in inner]


def entries(block):
    held = [*block.get("notes", ()), *(cell for row in block.get("rows", ()) for cell in row)]
    if block["type"] == "list":
        held += block["items"]
    if block["type"] == "definitions":
        held += [meaning for item in block["items"] for meaning in item["meanings"]]
    return [part for each in held for part in shape(each.get("blocks", ()))]


def only(body: Body):
    (block,) = body.blocks
    return block


@pytest.mark.parametrize(
    ("container", "kind"),
    [
        ("<ol><li>{}</li></ol>", "list"),
        ("<blockquote>{}</blockquote>", "quote"),
        ("<table><tr><td>{}</td><td>x</td></tr></table>", "table"),
        ("<details><summary>s</summary>{}</details>", "details"),
        ("<aside>{}</aside>", "box"),
        ("<dl><dt>t</dt><dd>{}</dd></dl>", "definitions"),
        ("<ol data-footnotes><li id=n>{}</li></ol>", "footnotes"),
    ],
)
def test_containers_keep_the_order_of_their_source(container, kind):
    inside = (
        "a<pre>b</pre>c<ul><li>d</ul>e<figure><img src=/f alt=f></figure>g"
        "<blockquote>h</blockquote>i<h3>j</h3>k<table><tr><td>l<td>m</table>n"
    )
    body = body_from_html(container.format(inside))
    assert body.dropped == ()
    order = "paragraph code paragraph list paragraph image paragraph quote paragraph heading paragraph table paragraph"
    assert shape(body.blocks) == [f"{kind}({order})"]
    letters = [letter for letter in body.text if letter in "abcdeghijklmn"]
    assert letters == list("abcdeghijklmn")
    for again in (body_from_html(body.html), body_from_markdown(body.markdown)):
        assert assign_ids(again.blocks) == assign_ids(body.blocks)


def test_code_within_the_step_of_a_list_stays_where_it_was():
    source = "1. Mix\n\n   ```sh\n   stir\n   ```\n\n   then bake.\n2. Eat."
    body = body_from_markdown(source)
    assert body.text == "Mix\n\nstir\n\nthen bake.\nEat."
    assert body.markdown == source


def test_blocks_inside_of_others_keep_their_ids():
    old = body_from_html("<blockquote><p>Something</p><pre>x</pre><p>else entirely</p></blockquote>").blocks
    new = body_from_html(
        "<p>New</p><blockquote><p>Something more</p><pre>x</pre><p>else</p><p>entirely</p></blockquote>", old
    ).blocks
    assert [block["id"] for block in new[1]["blocks"][:2]] == [block["id"] for block in old[0]["blocks"][:2]]
    assert len({new[0]["id"], new[1]["id"], *(block["id"] for block in new[1]["blocks"])}) == 6


@pytest.mark.parametrize(
    ("html", "kinds"),
    [
        ("<p>a <img src=/i alt=i> b</p>", ["paragraph"]),
        ("<p><img src=/i alt=i width=12 height=12> b</p>", ["paragraph"]),
        ("<p>a <img src=/i alt=i width=640> b</p>", ["paragraph", "image", "paragraph"]),
        ("<p>a <img src=/i alt=i height=480> b</p>", ["paragraph", "image", "paragraph"]),
        ("<p>a <img src=/i alt=formula width=640 height=20> b</p>", ["paragraph"]),
        ("<p><a href=/x> <img src=/i alt=i> </a></p>", ["image"]),
        ("<p>a<br><img src=/i><br>b</p>", ["paragraph", "image", "paragraph"]),
        ("<p><img src=/i> <img src=/j></p>", ["image", "image"]),
        ("<h2>a <img src=/i></h2>", ["heading"]),
        ("<figure><img src=/i><figcaption>a <img src=/j alt=j> b</figcaption></figure>", ["image"]),
    ],
)
def test_pictures_stay_in_their_sentence(html, kinds):
    assert [block["type"] for block in body_from_html(html).blocks] == kinds


def test_a_picture_in_a_sentence_is_marked():
    block = only(body_from_html("<p>The <img src=/s.png alt=sigma title=T width=9> and <img src=/t.png> mean.</p>"))
    assert block["text"] == "The sigma and \ufffc mean."
    first, second = block["marks"]
    assert (first["type"], first["src"], first["title"], first["width"]) == ("image", "/s.png", "T", 9)
    assert (second["src"], second["start"], "width" in second) == ("/t.png", 14, False)
    assert body_from_html("<p>a <img src=/s> b</p>").excerpt == "a b"
    assert "![sigma](/s.png)" in body_from_html("<p>x <img src=/s.png alt=sigma> y</p>").markdown


@pytest.mark.parametrize(
    "html",
    [
        '<p>A<sup data-fn="u-1" class="fn"><a href="#u-1" id="u-1-link">1</a></sup>.</p>'
        '<ol class="wp-block-footnotes"><li id="u-1">See. <a href="#u-1-link">↩︎</a></li></ol>',
        '<p>A<a class="footnote-ref" href="#fn:1"><sup>1</sup></a>.</p>'
        '<div class="footnotes"><hr><ol><li id="fn:1"><p>See. <a href="#fnref:1" class="footnote-backref">x</a></p>'
        "</li></ol></div>",
        '<p>A<sup>[<a href="#n1">1</a>]</sup>.</p><section role="doc-endnotes"><ol><li id="n1">See. '
        '<a href="#x" role="doc-backlink">back</a></ol></section>',
    ],
)
def test_footnotes_as_others_write_them(html):
    body = body_from_html(html)
    text, notes = body.blocks[0], body.blocks[-1]
    assert (text["text"], [mark["type"] for mark in text["marks"]]) == ("A[1].", ["footnote"])
    assert (notes["type"], notes["text"], notes["notes"][0]["text"]) == ("footnotes", "[1] See.", "See.")
    assert text["marks"][0]["note"] == notes["notes"][0]["id"]
    assert body.dropped == ()
    assert "[^" in body.markdown


def test_notes_of_markdown_are_all_kept():
    body = body_from_markdown("One[^b] two[^1] three^[inline *note*].\n\n[^1]: A\n\n    B\n[^b]: C\n[^no]: D")
    assert body.text == "One[1] two[2] three[3].\n\n[1] C\n[2] A\n\nB\n[3] inline note\n[4] D"
    assert body.excerpt == "One two three."
    assert body_from_markdown(body.markdown).blocks == body.blocks


def test_lists_keep_numbers_and_tasks():
    body = body_from_html("<ol type=I reversed start=9><li>a<li value=3>b<li>c</ol>")
    block = only(body)
    assert (block["style"], block["reversed"], block["start"], block["items"][1]["value"]) == ("I", True, 9, 3)
    assert body.html == '<ol start="9" type="I" reversed=""><li>a</li><li value="3">b</li><li>c</li></ol>'
    tasks = only(body_from_markdown("- [ ] open\n- [x] done\n- [y] none"))
    assert [item.get("checked") for item in tasks["items"]] == [False, True, None]
    assert tasks["text"] == "☐ open\n☑ done\n[y] none"
    loose = only(body_from_html("<ul><li><p><label><input type=checkbox checked> a</label></p></li></ul>"))
    assert loose["items"][0] == {"text": "a", "marks": [], "items": None, "checked": True}


def test_tables_keep_alignment_scope_and_spans():
    block = only(body_from_markdown("| a | b | c |\n|:--|:-:|---|\n| 1 | 2 | 3 |"))
    assert [cell.get("align") for cell in block["rows"][1]] == ["left", "center", None]
    html = (
        "<table><thead><tr><th scope=col rowspan=2>a</th><th colspan=2>b</th></tr><tr><th>c</th><th>d</th></tr></thead>"
        "<tbody><tr><th scope=row>e</th><td>f</td><td>g</td></tr></tbody></table>"
    )
    body = body_from_html(html)
    assert body.html.replace('"', "") == html.replace("scope=col rowspan=2", "rowspan=2 scope=col")
    assert body.text == "a\tb\t\n\tc\td\ne\tf\tg"


def test_anchors_are_kept_once_and_their_links_follow():
    body = body_from_html(
        '<p><a href="#my part">1</a> <a href="#b">2</a> <a href="#none">3</a></p><h2 id="my part">A</h2>'
        "<p>x <a name=b></a>y</p><p id=b>z</p><div id=c><ul><li id=d>e</ul></div><p id=cookie>f</p>"
    )
    assert '<a href="#my-part"' in body.html
    assert '<h2 id="my-part">' in body.html
    assert 'x <span id="b">y</span>' in body.html
    assert "<p>z</p>" in body.html
    assert '<ul id="c"><li><p id="d">e</p></li></ul>' in body.html
    assert '<p id="a-cookie">' in body.html
    assert body_from_html(body.html).blocks == body.blocks
    assert body_from_markdown("## Methods {#how}\n\n[x](#how)").html.startswith('<h2 id="how">Methods</h2>')


def test_languages_and_directions_are_kept():
    html = (
        '<p lang="ar" dir="rtl">a <bdo dir="ltr">b</bdo> <bdi>c</bdi> <span lang="fr">d</span></p>'
        '<ul dir="rtl"><li>e</li></ul><blockquote lang="de"><p>f</p></blockquote>'
    )
    assert body_from_html(html).html.replace("\n", "") == html
    assert [block["dir"] for block in body_from_html("<div dir=rtl lang=he><p>a<p>b</div>").blocks] == ["rtl", "rtl"]
    assert "lang" not in body_from_html("<p lang='\"><script>' dir=up>a").html


def test_recordings_keep_what_belongs_to_them():
    body = body_from_html(
        "<figure><video poster=/p.jpg width=640 src=/a.webm><source src=/a.mp4 type=video/mp4>"
        "<track src=/c.vtt kind=captions srclang=en label=English default>No video</video>"
        "<figcaption>Cap</figcaption></figure><audio controls src=/b.mp3></audio>"
    )
    film, sound = body.blocks
    assert (film["type"], film["src"], film["poster"], film["width"], film["text"]) == (
        "video", "/a.webm", "/p.jpg", 640, "Cap",
    )  # fmt: skip
    assert film["sources"] == [{"src": "/a.mp4", "mime": "video/mp4"}]
    assert film["tracks"][0] == {
        "src": "/c.vtt", "kind": "captions", "lang": "en", "label": "English", "default": True,
    }  # fmt: skip
    assert (sound["type"], sound["src"]) == ("audio", "/b.mp3")
    assert body_from_html(body.html).blocks == body.blocks


@pytest.mark.parametrize(
    ("source", "url", "provider"),
    [
        ("<iframe src='//player.vimeo.com/video/82?h=90e6d75118&dnt=1'>", "https://vimeo.com/82/90e6d75118", "vimeo"),
        ("https://vimeo.com/82/90e6d75118", "https://vimeo.com/82/90e6d75118", "vimeo"),
        ("<iframe src='https://player.vimeo.com/video/82#t=1m5s'>", "https://vimeo.com/82#t=65s", "vimeo"),
        (
            "<iframe src='https://www.youtube.com/embed/abcdefghijk?start=42'>",
            "https://www.youtube.com/watch?v=abcdefghijk&t=42s",
            "youtube",
        ),
        ("https://www.youtube.com/watch?v=abc", "https://www.youtube.com/watch?v=abc", "youtube"),
        ("<p>https://youtu.be/abcdefghijk?t=9</p>", "https://youtu.be/abcdefghijk?t=9", "youtube"),
        ("https://m.example/@ann/112233445566778899", "https://m.example/@ann/112233445566778899", "mastodon"),
        ("<p><a href='https://bsky.app/profile/a.example/post/3k'>https://bsky.app/profile/a.example/post/3k</a></p>",
         "https://bsky.app/profile/a.example/post/3k", "bluesky"),
    ],
)  # fmt: skip
def test_addresses_alone_and_players_become_embeds(source, url, provider):
    block = only(body_from_markdown(source))
    assert (block["type"], block["url"], block["provider"]) == ("embed", url, provider)


def test_other_addresses_become_links():
    body = body_from_markdown("https://example.org/a\n\nSee https://example.org/b. `http://c.example` www.d.example")
    assert [block["type"] for block in body.blocks] == ["paragraph", "paragraph"]
    assert [mark.get("href") for block in body.blocks for mark in block["marks"]] == [
        "https://example.org/a", "https://example.org/b", None,
    ]  # fmt: skip
    assert only(body_from_html("<p>https://www.youtube.com/@channel</p>"))["marks"][0]["type"] == "link"
    assert body_from_markdown(body.markdown).blocks == body.blocks


@pytest.mark.parametrize(
    ("html", "url", "provider"),
    [
        ('<blockquote class="twitter-tweet"><p>Said</p>&mdash; A <a href="https://twitter.com/a/status/12?ref_src=x">May'
         '</a></blockquote><script async src="//platform.twitter.com/widgets.js"></script>',
         "https://twitter.com/a/status/12", "x"),
        ('<blockquote class="instagram-media" data-instgrm-permalink="https://www.instagram.com/p/Ab/">Said</blockquote>',
         "https://www.instagram.com/p/Ab/", "instagram"),
        ('<blockquote class="tiktok-embed" cite="https://www.tiktok.com/@a/video/1">Said</blockquote>',
         "https://www.tiktok.com/@a/video/1", "tiktok"),
        ('<blockquote class="bluesky-embed"><p>Said</p><a href="https://bsky.app/profile/a.example/post/3k">x</a>'
         "</blockquote>", "https://bsky.app/profile/a.example/post/3k", "bluesky"),
        ('<blockquote class="mastodon-embed" data-embed-url="https://m.example/@a/112233445566778899/embed">Said'
         "</blockquote>", "https://m.example/@a/112233445566778899", "mastodon"),
        ('<div class="fb-post" data-href="https://www.facebook.com/a/posts/1"><blockquote>Said</blockquote></div>',
         "https://www.facebook.com/a/posts/1", "facebook"),
    ],
)  # fmt: skip
def test_posts_of_other_sites_keep_their_text(html, url, provider):
    body = body_from_html(html)
    block = only(body)
    assert (block["type"], block["url"], block["provider"]) == ("embed", url, provider)
    assert "Said" in body.text
    assert body_from_html(body.html).blocks == body.blocks


def test_several_pictures_of_a_figure_are_a_gallery():
    block = only(
        body_from_html(
            "<figure class=wp-block-gallery><ul><li><figure><img src=/a><figcaption>A</figcaption></figure></li>"
            "<li><img src=/b></li></ul><figcaption>Both</figcaption></figure>"
        )
    )
    assert (block["type"], [image["src"] for image in block["images"]]) == ("gallery", ["/a", "/b"])
    assert (block["text"], block["caption"]["text"]) == ("A", "Both")


@pytest.mark.parametrize(
    "scheme", ["tel:+43123456", "sms:+43123456", "geo:48.2,16.3", "xmpp:a@b.example", "mailto:a@b.c"]
)
def test_links_to_apps(scheme):
    for body in (body_from_html(f'<p><a href="{scheme}">x</a></p>'), body_from_markdown(f"[x]({scheme})")):
        assert body.html == f'<p><a href="{scheme}" rel="noopener">x</a></p>'
    assert body_from_html(f'<p>a <img src="{scheme}" alt=x> b</p>').dropped[0].reason == "address"


@pytest.mark.parametrize(
    ("html", "language"),
    [
        ('<pre class="language-css">x</pre>', "css"),
        ('<pre class="brush: php; notranslate">x</pre>', "php"),
        ('<pre lang="ruby"><code>x</code></pre>', "ruby"),
        ('<pre><code class="lang-c++">x</code></pre>', "c++"),
        ('<pre data-lang="go">x</pre>', "go"),
        ('<div class="highlight highlight-source-js"><pre>x</pre></div>', None),
        ("<pre>x</pre>", None),
    ],
)
def test_code_has_its_language(html, language):
    assert only(body_from_html(html))["language"] == language


def test_what_is_dropped_is_named():
    body = body_from_html(
        "<p>Before <svg><path/></svg> and <svg></svg><a href='javascript:x'>link</a></p><script>x</script>"
        "<form><input name=a><select><option>1</select></form><iframe></iframe><p>c <img src='data:image/png;base64,A' "
        "alt=chart></p><audio></audio><math><mi>x</mi></math><style>p{}</style><noscript>n</noscript>"
    )
    assert body.text == "Before and link\n\nc chart"
    found = {(each.element, each.reason): (each.count, each.near) for each in body.dropped}
    assert found["svg", "unsupported"] == (2, "Before")
    assert found["a", "address"] == (1, "Before and")
    assert found["img", "data_image"] == (1, "c")
    names = {name for name, _ in found}
    assert names == {"svg", "a", "script", "form", "input", "select", "iframe", "img", "audio", "math", "style"}
    assert all(len(each.near) <= 80 for each in body_from_html("<p>" + "long " * 500 + "<svg></svg></p>").dropped)
    assert body_from_html("<canvas></canvas><p>After</p>").dropped == (Dropped("canvas", 1, "After", "unsupported"),)


@pytest.mark.parametrize(
    ("html", "text", "dropped"),
    [
        ("<p><ruby>漢<rt>kan</rt>字<rt>ji</rt></ruby>.</p>", "漢(kan)字(ji).", []),
        ("<p><ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>.</p>", "漢(kan).", []),
        ("<p>a <marquee>b</marquee></p><form><p>c</p><button>d</button></form>", "a b\n\nc\n\nd",
         ["button", "form", "marquee"]),
        ("<fieldset><legend>e</legend>f</fieldset>", "e\n\nf", ["fieldset"]),
    ],
)  # fmt: skip
def test_words_stay_where_their_element_is_no_text(html, text, dropped):
    body = body_from_html(html)
    assert body.text == text
    assert sorted(each.element for each in body.dropped) == dropped


@pytest.mark.parametrize("html", ["<table>" + ("<tr>" + "<td rowspan=65534>a" * 9) * 999, "<blockquote>a<hr>" * 30])
def test_what_would_cost_too_much_is_refused(html):
    with pytest.raises(ValueError, match=r"columns|nested"):
        body_from_html(html)

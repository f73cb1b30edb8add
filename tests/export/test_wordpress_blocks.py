"""Blocks as WordPress's block editor writes them."""

import json
import re

import pytest

from app.blocks.convert import body_from_html
from app.blocks.schemas import Block
from app.export.wordpress_blocks import to_wordpress

COMMENT = re.compile(r"<!-- (?P<close>/)?wp:(?P<name>[a-z-]+)(?: (?P<attributes>\{.*?\}))? -->")


def written(html: str) -> str:
    blocks: list[Block] = body_from_html(html).blocks
    return to_wordpress(blocks, lambda url: f"https://api.example{url}" if url.startswith("/media/") else url)


def nesting(text: str) -> list[str]:
    """Return the names of blocks in the order in which they open, with their nesting; fail where they do not nest."""
    names, opened = [], list[str]()
    for comment in COMMENT.finditer(text):
        if comment["close"]:
            assert opened.pop() == comment["name"]
        else:
            names.append("/".join([*opened, comment["name"]]))
            opened.append(comment["name"])
            json.loads(comment["attributes"] or "{}")
    assert opened == []
    return names


@pytest.mark.parametrize(
    ("html", "blocks"),
    [
        ("<p>One <em>two</em>.</p>", "<!-- wp:paragraph -->\n<p>One <em>two</em>.</p>\n<!-- /wp:paragraph -->"),
        ("<h2>Two</h2>", '<!-- wp:heading -->\n<h2 class="wp-block-heading">Two</h2>\n<!-- /wp:heading -->'),
        (
            "<h3>Three</h3>",
            '<!-- wp:heading {"level":3} -->\n<h3 class="wp-block-heading">Three</h3>\n<!-- /wp:heading -->',
        ),
        (
            "<hr>",
            '<!-- wp:separator -->\n<hr class="wp-block-separator has-alpha-channel-opacity"/>\n<!-- /wp:separator -->',
        ),
        (
            '<pre><code class="language-css">a[b] {\n}</code></pre>',
            '<!-- wp:code {"className":"language-css"} -->\n<pre class="wp-block-code language-css"><code>'
            "a&#91;b] {\n}</code></pre>\n<!-- /wp:code -->",
        ),
        (
            '<figure><a href="https://a.example/"><img src="/media/a.jpg" alt="A"></a>'
            "<figcaption>C</figcaption></figure>",
            '<!-- wp:image {"linkDestination":"custom"} -->\n<figure class="wp-block-image">'
            '<a href="https://a.example/"><img src="https://api.example/media/a.jpg" alt="A"/></a>'
            '<figcaption class="wp-element-caption">C</figcaption></figure>\n<!-- /wp:image -->',
        ),
        (
            "<table><tr><th>h</th></tr><tr><td>d</td></tr></table>",
            '<!-- wp:table {"hasFixedLayout":false} -->\n<figure class="wp-block-table"><table><thead><tr><th>h</th>'
            "</tr></thead><tbody><tr><td>d</td></tr></tbody></table></figure>\n<!-- /wp:table -->",
        ),
    ],
)
def test_each_block_is_written_as_the_editor_saves_it(html: str, blocks: str) -> None:
    assert written(html) == blocks


def test_blocks_inside_of_blocks_are_blocks_too() -> None:
    text = written(
        "<ol start=3><li>a<ul><li>b</li></ul></li><li>c</li></ol>"
        "<blockquote><p>d</p><p>e</p><cite>f</cite></blockquote>"
    )
    assert nesting(text) == [
        "list", "list/list-item", "list/list-item/list", "list/list-item/list/list-item", "list/list-item",
        "quote", "quote/paragraph", "quote/paragraph",
    ]  # fmt: skip
    assert '<ol start="3" class="wp-block-list">' in text


def test_embeds_name_their_address_and_provider() -> None:
    text = written('<iframe src="https://www.youtube.com/embed/dQw4w9WgXcQ"></iframe>')
    match = COMMENT.search(text)
    assert match is not None
    attributes = json.loads(match["attributes"])
    assert attributes["providerNameSlug"] == "youtube"
    assert f">\n{attributes['url']}\n<" in text


def test_nothing_becomes_a_short_code_a_player_or_the_end_of_a_comment() -> None:
    text = written(
        '<p>https://video.example/1</p><p>[gallery]</p><iframe src="https://a.example/?x=--%3E&y=<b>"></iframe>'
        '<p><a href="https://a.example/?b=[2]">--&gt; x</a></p>'
    )
    assert "[" not in text
    assert "<p>https:" not in text
    nesting(text)
    assert "-->" not in re.sub(COMMENT, "", text)

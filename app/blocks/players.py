"""Reading players, frames and posts of other sites as embeds or media blocks."""

import re
from collections.abc import Iterator
from typing import Final, cast

from selectolax.lexbor import LexborNode

from app.blocks import drafts
from app.blocks.nodes import find_attribute, iter_children, parse_number
from app.blocks.schemas import Block, MediaSource, MediaTrack
from app.blocks.urls import find_provider, normalise_embed_url, sanitise_url

FRAMES: Final = frozenset({"iframe", "embed", "object"})
RECORDINGS: Final = frozenset({"audio", "video"})
MAX_SIZE: Final = 100_000
_TRACKS: Final = frozenset({"subtitles", "captions", "descriptions", "chapters", "metadata"})
_ADDRESS = re.compile(r"\s*(https?://\S+)\s*")
# The class by which the script of a site finds its posts, and the attribute with the URL of a post.
_POSTS: Final = {
    "twitter-tweet": "cite",
    "twitter-video": "cite",
    "instagram-media": "data-instgrm-permalink",
    "tiktok-embed": "cite",
    "bluesky-embed": "cite",
    "mastodon-embed": "data-embed-url",
    "reddit-embed-bq": "cite",
    "reddit-card": "cite",
    "text-post-media": "data-text-post-permalink",
    "fb-post": "data-href",
    "fb-video": "data-href",
}


def _parts(node: LexborNode, tag: str) -> Iterator[LexborNode]:
    return (child for child in iter_children(node) if child.is_element_node and child.tag == tag)


def read_player(node: LexborNode) -> Block | None:
    """Read a frame or player; None if it has no usable URL."""
    if node.tag in RECORDINGS:
        return _recording(node)
    addresses = [find_attribute(node, name) for name in ("src", "data-src", "data")]
    addresses += [find_attribute(source, "src") for source in node.css("source, embed")]
    url = next((url for address in addresses if (url := normalise_embed_url(address))), None)
    return drafts.make_embed(url, drafts.clean_label(find_attribute(node, "title"))) if url else None


def _recording(node: LexborNode) -> Block | None:
    own = find_attribute(node, "src") or find_attribute(node, "data-src")
    files = list(_files(node, own))
    if not files:
        return None
    title = drafts.clean_label(find_attribute(node, "title"))
    tracks = [track for part in _parts(node, "track") if (track := _track(part))]
    if node.tag == "audio":
        return drafts.make_audio(files, tracks, title=title)
    return drafts.make_video(
        files,
        tracks,
        title=title,
        poster=sanitise_url(find_attribute(node, "poster"), mail=False),
        width=parse_number(find_attribute(node, "width"), MAX_SIZE),
        height=parse_number(find_attribute(node, "height"), MAX_SIZE),
    )


def _files(node: LexborNode, own: str | None) -> Iterator[MediaSource]:
    if src := sanitise_url(own, mail=False):
        yield {"src": src, "mime": None}
    for part in _parts(node, "source"):
        if src := sanitise_url(find_attribute(part, "src"), mail=False):
            yield {"src": src, "mime": drafts.clean_mime(find_attribute(part, "type"))}


def _track(node: LexborNode) -> MediaTrack | None:
    src = sanitise_url(find_attribute(node, "src"), mail=False)
    kind = (find_attribute(node, "kind") or "subtitles").lower()
    if src is None:
        return None
    track = {
        "src": src,
        "kind": kind if kind in _TRACKS else "metadata",
        "lang": drafts.clean_label(find_attribute(node, "srclang")),
        "label": drafts.clean_label(find_attribute(node, "label")),
        "default": "default" in node.attributes,
    }
    return cast(MediaTrack, track)


def find_post_url(node: LexborNode, tag: str) -> str | None:
    """Return the URL of the post of another site that the site's script would show in an element."""
    if tag not in {"blockquote", "div"}:
        return None
    names = (find_attribute(node, "class") or "").split()
    name = next((name for name in names if name in _POSTS), None)
    if name is None:
        return None
    links = [link.attributes.get("href") for link in node.css("a[href]")]
    for address in [find_attribute(node, _POSTS[name]), find_attribute(node, "data-embed-url"), *reversed(links)]:
        url = normalise_embed_url(address)
        if url and find_provider(url):
            return url
    return None


def find_wrapped_url(node: LexborNode) -> str | None:
    """Return the URL of an embed figure as the WordPress block editor writes it."""
    wrapper = node.css_first(".wp-block-embed__wrapper")
    address = _ADDRESS.fullmatch(wrapper.text()) if wrapper is not None else None
    return normalise_embed_url(address[1]) if address else None

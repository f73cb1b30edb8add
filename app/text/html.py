"""Sanitising untrusted HTML: limits before parsing, an allow-list, and extraction of plain text."""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from selectolax.lexbor import LexborHTMLParser, LexborNode

from app.text.inputs import scrub_text

if TYPE_CHECKING:
    import nh3

Profile = Literal["article", "note"]

MAX_LENGTH: Final[dict[Profile, int]] = {"article": 1_000_000, "note": 50_000}
MAX_AMPERSANDS: Final = 50_000
MAX_TAGS: Final = 100_000
MAX_DEPTH: Final = 100
# The cost of parsing grows with the sum of the depths of all tags, as open elements are reconstructed.
MAX_DEPTH_SUM: Final = 500_000
MAX_ATTRIBUTES: Final = 200
_LONG_TAG = 1000


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


DROPPED_TAGS: Final = _names(
    "applet audio canvas embed frame frameset head iframe input math meta noembed noframes noscript object "
    "plaintext script select style svg template textarea title video xmp"
)
_VOID = _names("area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr")
# Elements whose end tag is implied by the next one, so that they cannot nest directly.
_IMPLIED = _names("body caption colgroup dd dt head html li optgroup option p rb rp rt rtc tbody td tfoot th thead tr")
_FORMATTING = _names("a b big code em font i nobr s small strike strong tt u")
_SCOPES = _names("applet button marquee math object select svg table template")
_RAW = "script|style|textarea|title|xmp|iframe|noembed|noframes"
BLOCK_TAGS: Final = _names(
    "address article aside blockquote body caption dd details dialog div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hgroup hr legend li main nav ol p pre section summary table tbody tfoot thead tr ul"
)
_ATTRIBUTE = (
    r"[^\t\n\f\r />][^\t\n\f\r />=]*+"
    r"(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:\"[^\"]*+\"|'[^']*+'|[^\t\n\f\r >\"'][^\t\n\f\r >]*+)?+)?+"
)
_ATTRIBUTES = rf"(?:[\t\n\f\r /]++|{_ATTRIBUTE})*+>?"
# The tokens of the HTML standard that matter for nesting; matching never backtracks.
_TOKEN = re.compile(
    rf"<!--(?:-?>|.*?--!?>|.*)|<[!?][^>]*+>?|<(?P<raw>{_RAW})(?=[\t\n\f\r />]){_ATTRIBUTES}"
    rf"(?P<content>.*?</(?P=raw)(?=[\t\n\f\r />])|.*)|<(?P<end>/?)(?P<name>[a-z][^\t\n\f\r />]*+){_ATTRIBUTES}",
    re.DOTALL | re.IGNORECASE,
)
_ONE_ATTRIBUTE = re.compile(_ATTRIBUTE)
_OPENING = re.compile("<[a-z]", re.IGNORECASE)
_FOREIGN = re.compile("<(?:svg|math)", re.IGNORECASE)
_SPACE = re.compile("[\t\n\f\r ]+")

_INLINE = {"a", "abbr", "b", "br", "cite", "code", "del", "em", "i", "ins", "mark", "q", "s", "small", "strong", "sub"}
_NOTE_TAGS = _INLINE | {"blockquote", "hr", "li", "ol", "p", "pre", "sup", "u", "ul"}
_ARTICLE_TAGS = _NOTE_TAGS | _names(
    "aside audio bdi bdo caption dd details dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr img input kbd samp source "
    "span summary table tbody td tfoot th thead time tr track var video"
)
# Without "*" the library would allow `lang` and `title` everywhere.
_NOTE_ATTRIBUTES: Final[dict[str, set[str]]] = {"*": set(), "a": {"href", "title"}, "abbr": {"title"}, "ol": {"start"}}
_CELL = {"align", "colspan", "rowspan"}
_RECORDING = {"controls", "src", "title"}
_ARTICLE_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "*": {"dir", "lang"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "aside": {"data-kind"},
    "audio": _RECORDING,
    "details": {"open"},
    "figure": {"data-embed", "data-gallery", "data-provider"},
    "img": {"alt", "height", "src", "title", "width"},
    "input": {"checked"},
    "li": {"value"},
    "ol": {"data-footnotes", "reversed", "start", "type"},
    "pre": {"data-language"},
    "source": {"src", "type"},
    "sup": {"data-fn"},
    "td": _CELL,
    "th": _CELL | {"scope"},
    "time": {"datetime"},
    "track": {"default", "kind", "label", "src", "srclang"},
    "video": _RECORDING | {"height", "poster", "width"},
}
# An id makes an element a property of `window` and may shadow properties of `document` (DOM clobbering), so that links,
# pictures and forms have none.
_TARGETS = _names("aside audio blockquote details dl figure h1 h2 h3 h4 h5 h6 hr li ol p pre span table ul")
for _tag in _TARGETS:
    _ARTICLE_ATTRIBUTES[_tag] = _ARTICLE_ATTRIBUTES.get(_tag, set()) | {"id"}
# Schemes of links that open an app, which asks before it acts: mail (RFC 6068), calls (RFC 3966), messages (RFC 5724),
# maps (RFC 5870) and chats (RFC 5122). Schemes that run or contain content (javascript, data, blob …) are not allowed.
LINK_SCHEMES: Final = _names("mailto tel sms geo xmpp")
_SCHEMES = {"http", "https", "mailto"}
_ADDRESSES = _names("data-embed href poster src")
_IGNORED_IN_URLS = re.compile("[\t\n\r]")
_URL_PADDING: Final = "".join(map(chr, range(0x21)))
_BLANK_IN_URL = re.compile(r"[\s\x00-\x1f\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")


def _write_as_parsed(_tag: str, attribute: str, value: str) -> str:
    """Normalise a URL as browsers parse it (WHATWG URL 4.4): trimmed, on one line, with invisible characters encoded.

    The scheme was checked as browsers parse it; other parsers then read the same one.
    """
    if attribute not in _ADDRESSES:
        return value
    url = _IGNORED_IN_URLS.sub("", value.strip(_URL_PADDING))
    return _BLANK_IN_URL.sub(lambda blank: quote(blank.group()), url)


_INERT_INPUT = {"input": {"type": "checkbox", "disabled": ""}}


@cache
def _cleaner(profile: Profile) -> "nh3.Cleaner":
    from nh3 import Cleaner

    if profile == "article":
        return Cleaner(
            tags=set(_ARTICLE_TAGS),
            clean_content_tags=set(DROPPED_TAGS - _ARTICLE_TAGS),
            attributes=_ARTICLE_ATTRIBUTES,
            attribute_filter=_write_as_parsed,
            set_tag_attribute_values=_INERT_INPUT,
            url_schemes=_SCHEMES | LINK_SCHEMES,
            link_rel="noopener",
        )
    return Cleaner(
        tags=set(_NOTE_TAGS),
        clean_content_tags=set(DROPPED_TAGS),
        attributes=_NOTE_ATTRIBUTES,
        attribute_filter=_write_as_parsed,
        url_schemes=_SCHEMES,
        link_rel="noopener nofollow ugc",
    )


class _Nesting:
    """A conservative model of the parser's open elements, which rarely counts too few."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.work = 0

    def start(self, name: str, count: int = 1) -> None:
        if name not in _VOID and name not in _IMPLIED:
            self.open.extend([name] * count)
        self.work += len(self.open)
        if len(self.open) > MAX_DEPTH or self.work > MAX_DEPTH_SUM:
            raise ValueError("the HTML is nested too deeply")

    def end(self, name: str) -> None:
        self.work += 1
        for index in range(len(self.open) - 1, -1, -1):
            if self.open[index] == name:
                above = self.open[index + 1 :]
                # Open formatting elements are reconstructed after their container has closed.
                self.open[index:] = above if name in _FORMATTING else [tag for tag in above if tag in _FORMATTING]
                return
            if self.open[index] in _SCOPES:
                return


def check_bounds(html: str, profile: Profile = "article") -> None:
    """Raise ValueError if HTML is too long, or nested so deeply that parsing would take more than linear time."""
    if len(html) > MAX_LENGTH[profile]:
        raise ValueError(f"the HTML is longer than {MAX_LENGTH[profile]} characters")
    if html.count("&") > MAX_AMPERSANDS:
        raise ValueError(f"the HTML has more than {MAX_AMPERSANDS} ampersands")
    if html.count("<") > MAX_TAGS:
        raise ValueError(f"the HTML has more than {MAX_TAGS} tags")
    nesting, foreign = _Nesting(), bool(_FOREIGN.search(html))
    for token in _TOKEN.finditer(html):
        if (
            len(tag := token.group()) > _LONG_TAG
            and token["name"]
            and len(_ONE_ATTRIBUTE.findall(tag)) > MAX_ATTRIBUTES
        ):
            raise ValueError(f"an HTML tag has more than {MAX_ATTRIBUTES} attributes")
        if name := token["name"]:
            (nesting.end if token["end"] else nesting.start)(name.lower())
        elif foreign and (content := token["content"]):
            # Inside SVG and MathML these elements contain markup.
            nesting.start("raw", len(_OPENING.findall(content)))


def sanitise(html: str, profile: Profile = "article") -> str:
    """Reduce HTML to the profile's allow-list: no script, style or frame, only relative URLs and harmless schemes.

    Raises ValueError when the input is larger or more deeply nested than the profile allows; nothing is cut silently.
    """
    check_bounds(html, profile)
    return _cleaner(profile).clean(html)


def parse_html(html: str, profile: Profile = "article") -> LexborNode:
    """Parse untrusted HTML as a browser would and return its body; raise ValueError beyond the profile's limits."""
    check_bounds(html, profile)
    return parse_clean_html(html)


def parse_clean_html(html: str) -> LexborNode:
    """Parse sanitised HTML, whose limits have been checked."""
    body = LexborHTMLParser(f"<!doctype html><body>{html}").body
    if body is None:
        raise ValueError("the HTML has no body")
    return body


def walk_nodes(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Yield the nodes below `root` in document order, elements twice: (node, True) on entry and (node, False) on exit.

    The contents of elements that are never shown, such as script and style, are left out.
    """
    node = root.first_child
    while node is not None:
        yield node, True
        child = None if node.is_text_node or node.is_comment_node or node.tag in DROPPED_TAGS else node.first_child
        if child is not None:
            node = child
            continue
        while node is not None and node.mem_id != root.mem_id:
            yield node, False
            following = node.next
            if following is not None:
                node = following
                break
            node = node.parent
        else:
            return


def html_to_text(html: str, profile: Profile = "article") -> str:
    """Extract the visible text of HTML, with a blank line between blocks and with line breaks."""
    return text_of(parse_html(html, profile))


def text_of(root: LexborNode) -> str:
    """Extract the visible text of parsed HTML."""
    paragraphs: list[str] = []
    parts: list[str] = []
    preformatted = False

    def end_paragraph() -> None:
        text = scrub_text("".join(parts))
        parts.clear()
        paragraphs.append(text.strip("\n") if preformatted else re.sub(" *\n *", "\n", text).strip())

    for node, entering in walk_nodes(root):
        tag = node.tag or ""
        if node.is_text_node:
            text = (node.text_content or "") if entering else ""
            parts.append(text if preformatted else _SPACE.sub(" ", text))
        elif tag in BLOCK_TAGS:
            end_paragraph()
            preformatted = entering if tag == "pre" else preformatted
        elif tag == "br" and entering:
            parts.append("\n")
        elif tag in {"td", "th"} and not entering:
            parts.append(" ")
    end_paragraph()
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph.strip())

"""Shortcodes of source code, `[code language="css"]…[/code]`, whose content is text and not HTML."""

import re
from collections.abc import Iterator
from html import escape, unescape
from typing import Final

from app.importers.wordpress.shortcodes import parse_attributes, render_figure

_GENERIC: Final = frozenset("cc code codesyntax crayon source sourcecode".split())
"""Shortcodes of SyntaxHighlighter, WordPress.com, Crayon and CodeColorer, which have an attribute for the language."""
_LANGUAGES: Final = frozenset(
    "actionscript3 as3 bash c c-sharp cf clj clojure coldfusion cpp csharp css delphi diff erl erlang fsharp go golang "
    "groovy haskell html java javafx javascript jfx js jscript latex matlab matlabkey obj-c objc pas pascal patch perl "
    "php pl plain powershell ps py python r rails rb ror ruby scala shell splus sql swift tex text ts typescript vb "
    "vbnet xhtml xml xslt yaml yml".split()
)
"""Shortcodes that are named after a language."""
_NO_LANGUAGE: Final = frozenset({"", "plain", "plaintext", "text", "none"})
_NAMES = "|".join(sorted(_GENERIC | _LANGUAGES, key=len, reverse=True))
_OPENING = rf"\[(?P<name>{_NAMES})(?P<rest>(?:[\s=:][^\[\]]*)?)\]"
_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<tag>pre|code|script|style|textarea)\b[^<>]*>(?P<inside>.*?)(?:</(?P=tag)\s*>|\Z)"
    rf"|(?P<escape>\[?){_OPENING}",
    re.DOTALL | re.IGNORECASE,
)
_WHOLE = re.compile(rf"\s*{_OPENING}(?P<text>.*)\[/(?P=name)\]\s*", re.DOTALL | re.IGNORECASE)


def render_code(html: str) -> str:
    """Replace every closed code shortcode by a `<pre>` of its text; others stay unchanged."""
    return "".join(_pieces(html))


def _pieces(html: str) -> Iterator[str]:
    position, unclosed = 0, set[str]()
    while token := _TOKEN.search(html, position):
        yield html[position : token.start()]
        position = token.end()
        if not token["name"]:
            whole = _WHOLE.fullmatch(token["inside"] or "") if (token["tag"] or "").lower() == "pre" else None
            yield _render_block(whole["name"], whole["rest"], whole["text"]) if whole else token.group()
            continue
        name = token["name"].lower()
        closer = None if name in unclosed else re.compile(rf"\[/{name}\]", re.IGNORECASE).search(html, position)
        if closer is None:
            unclosed.add(name)
            yield token.group()
        elif token["escape"]:
            yield html[token.start() : closer.end()]
            position = closer.end()
        else:
            yield f"\n\n{_render_block(name, token['rest'], html[position : closer.start()])}\n\n"
            position = closer.end()
    yield html[position:]


def _render_block(name: str, rest: str, text: str) -> str:
    """Render a code block. Text without tags has entities, as the plugins store it; other text is literal."""
    attributes = parse_attributes(rest)
    language = attributes.get("language") or attributes.get("lang") or attributes.get("", "")
    if not language and name.lower() in _LANGUAGES:
        language = name.lower()
    literal = text if "<" in text or ">" in text else unescape(text)
    # Brackets become entities, so that code is not read as a shortcode.
    code = escape(literal.strip("\n"), quote=False).replace("[", "&#91;").replace("]", "&#93;")
    known = "" if language.strip().lower() in _NO_LANGUAGE else f' class="language-{escape(language.strip().lower())}"'
    block = f"<pre><code{known}>{code}</code></pre>"
    return render_figure(block, escape(attributes["title"])) if attributes.get("title") else block

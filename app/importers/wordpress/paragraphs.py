"""Paragraphs of the classic editor, which WordPress stores as blank lines."""

import re
from collections import Counter

# Opaque elements are one token; one without an end tag extends to the end of the text, so that parsing is linear.
_TOKEN = re.compile(
    r"<(?P<opaque>pre|script|style|textarea|svg|iframe|video|audio|object)\b.*?(?:</(?P=opaque)\s*>|\Z)"
    r"|<(?P<end>/?)(?P<name>[a-z][a-z0-9]*)\b[^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
_VALUE = re.compile("\"[^\"]*\"|'[^']*'")
_BLANK_LINE = re.compile(r"\n[ \t\n]*\n")
_LINE_END = re.compile(r"(?:<br\s*+/?>)?(?<![ \t])[ \t]*+\n[ \t]*", re.IGNORECASE)

# Text between blank lines is a paragraph in these elements, and at the top level.
_WRAPPING = frozenset("article aside blockquote body center details div footer form header main section".split())
# In these elements, only if there are several.
_LOOSE = frozenset("dd fieldset figcaption li td th".split())
_LINES = frozenset("address caption dt h1 h2 h3 h4 h5 h6 legend p summary".split())
# These contain only elements, so that line breaks between them are insignificant.
_STRUCTURE = frozenset("colgroup dl figure hgroup ol optgroup select table tbody tfoot thead tr ul".split())
_BLOCKS = _WRAPPING | _LOOSE | _LINES | _STRUCTURE
_IMPLICITLY_CLOSED = frozenset("dd dt li p td th tr".split())


def add_paragraphs(html: str) -> str:
    """Convert blank lines to paragraphs and line ends to `<br>`, except in preformatted text and between elements.

    Existing block elements stay; only `<p>` and `<br>` are added, and no word is removed.
    """
    text = html.replace("\r\n", "\n").replace("\r", "\n")
    writer, position = _Writer(), 0
    for token in _TOKEN.finditer(text):
        writer.text(text[position : token.start()])
        position = token.end()
        name = (token["name"] or "").lower()
        if token["opaque"] or name == "hr":
            writer.block(token.group())
        elif name not in _BLOCKS:
            writer.text(_join_lines(token.group()))
        elif token["end"]:
            writer.end(name, token.group())
        else:
            writer.start(name, token.group())
    writer.text(text[position:])
    return writer.finish()


def _join_lines(tag: str) -> str:
    """Join the lines of a tag: a line end inside a tag is not one of the text.

    In attribute values it becomes a tab: browsers remove both from URLs, but keep spaces.
    """
    return _VALUE.sub(lambda value: value.group().replace("\n", "\t"), tag).replace("\n", " ")


class _Writer:
    """Collects runs of text and inline elements, and writes each as its surrounding element requires."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._run: list[str] = []
        self._open: list[str] = []
        self._counts: Counter[str] = Counter()

    def text(self, text: str) -> None:
        self._run.append(text)

    def block(self, markup: str) -> None:
        self._flush()
        self._out.append(markup)

    def start(self, name: str, tag: str) -> None:
        self._flush()
        if self._open and self._open[-1] in _IMPLICITLY_CLOSED and (self._open[-1] in {name, "p"}):
            self._pop()
        self._open.append(name)
        self._counts[name] += 1
        self._out.append(tag)

    def end(self, name: str, tag: str) -> None:
        self._flush()
        if self._counts[name]:
            while self._pop() != name:
                pass
        self._out.append(tag)

    def finish(self) -> str:
        self._flush()
        return "".join(self._out).strip()

    def _pop(self) -> str:
        name = self._open.pop()
        self._counts[name] -= 1
        return name

    def _flush(self) -> None:
        run = "".join(self._run)
        self._run.clear()
        inside = self._open[-1] if self._open else "body"
        if not run.strip() or inside in _STRUCTURE:
            self._out.append(run)
            return
        parts = [_LINE_END.sub("<br>\n", part.strip()) for part in _BLANK_LINE.split(run.strip())]
        if inside in _WRAPPING or (inside in _LOOSE and len(parts) > 1):
            self._out.append("\n".join(f"<p>{part}</p>" for part in parts) + "\n")
        else:
            self._out.append("<br>\n<br>\n".join(parts))

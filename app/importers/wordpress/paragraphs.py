"""The paragraphs of the classic editor, which are blank lines in what WordPress stores."""

import re
from collections import Counter

# Taken whole; what has no end reaches to the end of the text, so that nothing is looked at twice.
_TOKEN = re.compile(
    r"<(?P<opaque>pre|script|style|textarea|svg|iframe|video|audio|object)\b.*?(?:</(?P=opaque)\s*>|\Z)"
    r"|<(?P<end>/?)(?P<name>[a-z][a-z0-9]*)\b[^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
_VALUE = re.compile("\"[^\"]*\"|'[^']*'")
_BLANK_LINE = re.compile(r"\n[ \t\n]*\n")
_LINE_END = re.compile(r"(?:<br\s*+/?>)?(?<![ \t])[ \t]*+\n[ \t]*", re.IGNORECASE)

# A run of text between blank lines is a paragraph in these, and at the outermost level.
_WRAPPING = frozenset("article aside blockquote body center details div footer form header main section".split())
# In these it is one only where there are several.
_LOOSE = frozenset("dd fieldset figcaption li td th".split())
_LINES = frozenset("address caption dt h1 h2 h3 h4 h5 h6 legend p summary".split())
# Only elements stand in these: line breaks between them mean nothing.
_STRUCTURE = frozenset("colgroup dl figure hgroup ol optgroup select table tbody tfoot thead tr ul".split())
_BLOCKS = _WRAPPING | _LOOSE | _LINES | _STRUCTURE
_CLOSED_BY_THE_NEXT = frozenset("dd dt li p td th tr".split())


def paragraphs(html: str) -> str:
    """Turn blank lines into paragraphs and line ends into `<br>`, except in preformatted text and between elements.

    Existing block elements stay what they are; only `<p>` and `<br>` are added, no word is taken away.
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
    """Put a tag on one line: a line end inside it is no line end of the text.

    In values a tab stands for it, since browsers take both out of addresses, but keep spaces.
    """
    return _VALUE.sub(lambda value: value.group().replace("\n", "\t"), tag).replace("\n", " ")


class _Writer:
    """Collects a run of text and inline elements, and writes it out as its surroundings ask when a block comes."""

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
        if self._open and self._open[-1] in _CLOSED_BY_THE_NEXT and (self._open[-1] in {name, "p"}):
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

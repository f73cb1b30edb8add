"""Text with marks: building it from runs, splitting it into paragraphs, and nesting marks for output."""

import heapq
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple, cast, get_args

from app.blocks.schemas import Direction, Inline, Mark, MarkType
from app.text.inputs import scrub_text, to_nfc

# The nesting of marks that cover the same text, outermost first.
_ORDER: Final = {kind: rank for rank, kind in enumerate(get_args(MarkType))}
_HTML_SPACE = re.compile("[\t\n\f ]+")
# U+0338 would combine with the angle bracket before it when the markup is normalised.
_LOOSE_STROKE = re.compile("(^|\\s)\u0338+")
_EXTRAS: Final = ("src", "width", "height", "note", "anchor", "lang", "dir")
NO_ALT: Final = "\ufffc"  # OBJECT REPLACEMENT CHARACTER
_EDIT = re.compile("[ \n]*\n[ \n]*| {2,}")


class Style(NamedTuple):
    """A mark without its range."""

    type: MarkType
    href: str | None = None
    title: str | None = None
    src: str | None = None
    width: int | None = None
    height: int | None = None
    note: str | None = None
    anchor: str | None = None
    lang: str | None = None
    dir: Direction | None = None


class Run(NamedTuple):
    """Text with the same styles; a line feed is a line break, two end a paragraph."""

    text: str
    styles: tuple[Style, ...] = ()


class Element(NamedTuple):
    """A mark and its content, after overlapping marks have been split."""

    mark: Mark
    children: "list[Element | str]"


def add_style(styles: tuple[Style, ...], style: Style) -> tuple[Style, ...]:
    """Add a style; an inner link or abbreviation replaces the outer one; only anchors may be repeated."""
    if style.type == "anchor":
        return (*styles, style)
    return (*(known for known in styles if known.type != style.type), style)


def make_picture_run(
    alt: str, src: str, title: str | None, size: tuple[int | None, int | None], styles: tuple[Style, ...]
) -> Run:
    """Make the run of an inline picture: its alternative text with an indivisible style."""
    while alt and unicodedata.combining(alt[0]):
        alt = alt[1:].lstrip()
    style = Style("image", title=title, src=src, width=size[0], height=size[1])
    return Run(alt or NO_ALT, (*styles, style))


def find_picture_style(run: Run) -> Style | None:
    """Return the style of a run that is a picture, or None."""
    return next((style for style in run.styles if style.type == "image"), None)


def collapse_space(text: str) -> str:
    """Collapse line ends, tabs and repeated spaces to single spaces, as HTML does."""
    return _HTML_SPACE.sub(" ", _LOOSE_STROKE.sub(r"\1", scrub_text(text)))


def _normalise_runs(runs: Iterable[Run]) -> list[Run]:
    """Normalise to NFC across runs: combining characters move into the run before them."""
    done: list[tuple[list[str], tuple[Style, ...]]] = []
    last = ""
    for text, styles in runs:
        if find_picture_style(Run(text, styles)):
            done.append(([text], styles))
            last = ">"
            continue
        if last == ">":
            text = text.lstrip("\u0338")
            last = ""
        moved = 0
        while last not in {"", "\n"} and moved < len(text) and _combines(last, text[moved]):
            last = text[moved]
            moved += 1
        if moved:
            done[-1][0].append(text[:moved])
        if text[moved:]:
            done.append(([text[moved:]], styles))
            last = text[-1]
    return [Run(to_nfc("".join(parts)), styles) for parts, styles in done]


def _combines(before: str, char: str) -> bool:
    return bool(unicodedata.combining(char)) or not unicodedata.is_normalized("NFC", before + char)


def _replacement(match: re.Match[str]) -> str:
    space = match.group()
    return " " if "\n" not in space else "\n" if space.count("\n") == 1 else "\n\n"


def _tidy_runs(runs: Sequence[Run]) -> tuple[str, list[tuple[int, int, Style]]]:
    """Join runs, collapse spaces and line breaks, and return the ranges of each style in the resulting text."""
    whole = "".join(run.text for run in runs)
    parts: list[str] = []
    edits: list[tuple[int, int, int]] = []
    position = length = 0
    for match in _EDIT.finditer(whole):
        replacement = _replacement(match)
        length += match.start() - position + len(replacement)
        parts += [whole[position : match.start()], replacement]
        position = match.end()
        edits.append((match.start(), position, length))
    text = "".join([*parts, whole[position:]])
    spans: list[tuple[int, int, Style]] = []
    source = start = edit = moved = 0
    for run in runs:
        source += len(run.text)
        while edit < len(edits) and edits[edit][1] <= source:
            moved = edits[edit][2] - edits[edit][1]
            edit += 1
        inside = edit < len(edits) and edits[edit][0] < source
        end = (edits[edit][0] if inside else source) + moved
        spans += [(start, end, style) for style in run.styles if end > start]
        start = end
    return text, spans


def _merge_spans(spans: Iterable[tuple[int, int, Style]]) -> list[tuple[int, int, Style]]:
    latest: dict[Style, tuple[int, int]] = {}
    done: list[tuple[int, int, Style]] = []
    for start, end, style in spans:
        if style.type == "image":
            done.append((start, end, style))
            continue
        open_span = latest.get(style)
        if open_span is not None and open_span[1] >= start:
            latest[style] = (open_span[0], end)
            continue
        if open_span is not None:
            done.append((*open_span, style))
        latest[style] = (start, end)
    return done + [(start, end, style) for style, (start, end) in latest.items()]


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _trim_mark(text: str, start: int, end: int, floor: int) -> tuple[int, int]:
    """Trim spaces at the ends of a mark, and characters that combine with the one before it."""
    start, end = _trim(text, start, end)
    while floor < start < end and (
        (unicodedata.combining(text[start]) and text[start - 1] != "\n") or text[start].isspace()
    ):
        start += 1
    return start, end


def _make_mark(style: Style, start: int, end: int) -> Mark:
    mark: Mark = {"type": style.type, "start": start, "end": end, "href": style.href, "title": style.title}
    extras = {name: value for name in _EXTRAS if (value := getattr(style, name)) is not None}
    return cast(Mark, {**mark, **extras}) if extras else mark


def style_of(mark: Mark) -> Style:
    """Return a mark without its range."""
    return Style(
        mark["type"],
        mark["href"],
        mark["title"],
        mark.get("src"),
        mark.get("width"),
        mark.get("height"),
        mark.get("note"),
        mark.get("anchor"),
        mark.get("lang"),
        mark.get("dir"),
    )


def _key(mark: Mark) -> tuple[int, int, int]:
    return mark["start"], -mark["end"], _ORDER[mark["type"]]


def build_paragraphs(runs: Iterable[Run]) -> list[Inline]:
    """Build paragraphs of runs in canonical form: NFC, single spaces, trimmed; marks merged, trimmed and sorted."""
    text, spans = _tidy_runs(_normalise_runs(runs))
    merged = sorted(_merge_spans(spans), key=lambda span: span[0])
    done: list[Inline] = []
    position = taken = 0
    carried: list[tuple[int, int, Style]] = []
    for part in text.split("\n\n"):
        limit = position + len(part)
        start, end = _trim(text, position, limit)
        while taken < len(merged) and merged[taken][0] < limit:
            carried.append(merged[taken])
            taken += 1
        marks: list[Mark] = []
        for first, last, style in carried:
            first, last = _trim_mark(text, max(first, start), min(last, end), start)
            if last > first:
                marks.append(_make_mark(style, first - start, last - start))
        if end > start:
            done.append({"text": text[start:end], "marks": sorted(marks, key=_key)})
        carried = [span for span in carried if span[1] > limit]
        position = limit + 2
    return done


def join_inlines(inlines: Sequence[Inline], separator: str = "\n\n") -> Inline:
    """Join paragraphs or lines into one text, shifting their marks."""
    marks: list[Mark] = []
    offset = 0
    for inline in inlines:
        marks += [{**mark, "start": mark["start"] + offset, "end": mark["end"] + offset} for mark in inline["marks"]]
        offset += len(inline["text"]) + len(separator)
    return {"text": separator.join(inline["text"] for inline in inlines), "marks": marks}


def split_paragraphs(inline: Inline) -> list[Inline]:
    """Split a text into its paragraphs, the reverse of `join_inlines`."""
    return build_paragraphs(runs_of(inline))


def remove_marks(inline: Inline, kind: MarkType) -> Inline:
    """Remove all marks of a type."""
    return {"text": inline["text"], "marks": [mark for mark in inline["marks"] if mark["type"] != kind]}


def runs_of(inline: Inline, outer: tuple[Style, ...] = ()) -> list[Run]:
    """Return the runs of a text with marks, each with the `outer` styles added."""
    text, marks = inline["text"], inline["marks"]
    edges = sorted({0, len(text), *(m["start"] for m in marks), *(m["end"] for m in marks)})
    waiting = sorted(marks, key=_key, reverse=True)
    active: list[Mark] = []
    runs: list[Run] = []
    for start, end in pairwise(edges):
        while waiting and waiting[-1]["start"] <= start:
            active.append(waiting.pop())
        active = [mark for mark in active if mark["end"] > start]
        styles = outer
        for mark in active:
            styles = add_style(styles, style_of(mark))
        runs.append(Run(text[start:end], styles))
    return runs


def nest_marks(inline: Inline) -> list[Element | str]:
    """Arrange a text and its marks as a tree; overlapping marks are split where the outer one ends."""
    return _nest(inline["text"], 0, len(inline["text"]), inline["marks"])


def _nest(text: str, start: int, end: int, marks: Iterable[Mark]) -> list[Element | str]:
    heap = [(*_key(mark), index, mark) for index, mark in enumerate(marks)]
    heapq.heapify(heap)
    serial = len(heap)
    tree: list[Element | str] = []
    while heap:
        mark = heapq.heappop(heap)[-1]
        inner: list[Mark] = []
        while heap and heap[0][0] < mark["end"]:
            other = heapq.heappop(heap)[-1]
            if other["end"] > mark["end"]:
                rest: Mark = {**other, "start": mark["end"]}
                heapq.heappush(heap, (*_key(rest), serial, rest))
                serial += 1
                other = {**other, "end": mark["end"]}
            inner.append(other)
        if mark["start"] > start:
            tree.append(text[start : mark["start"]])
        tree.append(Element(mark, _nest(text, mark["start"], mark["end"], inner)))
        start = mark["end"]
    if end > start:
        tree.append(text[start:end])
    return tree

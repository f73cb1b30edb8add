"""Reading HTML tables into rows of cells; spanned cells become empty cells, so that all rows have the same columns."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, cast

from selectolax.lexbor import LexborNode

from app.blocks import drafts
from app.blocks.schemas import Content, Inline, TableBlock, TableCell

_ALIGN = re.compile(r"(?:^|;)\s*text-align\s*:\s*(left|center|right)\b", re.IGNORECASE)
_SCOPES: Final = frozenset({"row", "col", "rowgroup", "colgroup"})
_SIDES: Final = frozenset({"left", "center", "right"})


def read_table(
    node: LexborNode, read: Callable[[LexborNode], Content], read_caption: Callable[[LexborNode], Inline]
) -> TableBlock | None:
    """Read a table, its cells with `read`; None if it is only a layout box around other content."""
    rows = [(group, row) for group, row in _rows(node) if row]
    captions = [part for part in _parts(node) if part.tag == "caption"]
    cells = [cell for _, row in rows for cell in row]
    if not cells or (len(cells) == 1 and not captions and cells[0].tag == "td"):
        return None
    first_group, first_row = rows[0]
    header = first_group.tag == "thead" or all(cell.tag == "th" for cell in first_row)

    def cell(part: LexborNode, top: bool) -> TableCell:
        scope = (part.attributes.get("scope") or "").lower()
        return drafts.with_members(
            cast(TableCell, read(part)),
            header=part.tag == "th" and not top,
            scope=scope if part.tag == "th" and scope in _SCOPES else None,
            align=_alignment(part),
        )

    ends = {group: index for index, (group, _) in enumerate(rows)}
    left = [ends[group] - index + 1 for index, (group, _) in enumerate(rows)]
    grid = _grid([row for _, row in rows], left, lambda part, index: cell(part, header and index == 0))
    texts = [caption for part in captions if (caption := read_caption(part))["text"]]
    return drafts.make_table(grid, header=header, caption=texts[0] if texts else None)


def _alignment(cell: LexborNode) -> str | None:
    style = _ALIGN.search(cell.attributes.get("style") or "")
    side = (style[1] if style else cell.attributes.get("align") or "").lower()
    return side if side in _SIDES else None


def _parts(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        if child.is_element_node:
            yield child
        child = child.next


class _Group(NamedTuple):
    """A `thead`, `tbody` or `tfoot`; no cell spans rows of two groups."""

    tag: str
    serial: int


def _rows(table: LexborNode) -> Iterator[tuple[_Group, list[LexborNode]]]:
    for serial, part in enumerate(_parts(table)):
        if part.tag in {"thead", "tbody", "tfoot"}:
            for row in _parts(part):
                yield _Group(part.tag, serial), [cell for cell in _parts(row) if cell.tag in {"td", "th"}]


def _span(cell: LexborNode, name: str, limit: int) -> int:
    """Return the number of columns or rows that a cell spans, at most `limit`; 0 means all."""
    value = cell.attributes.get(name) or ""
    span = int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 1
    return max(1, min(span or limit, limit))


def _width(rows: list[list[LexborNode]]) -> int:
    """Return the number of columns; a row of a single cell does not add columns, whatever it spans."""
    widths = [sum(_span(cell, "colspan", drafts.MAX_COLUMNS) for cell in row) for row in rows if len(row) > 1]
    return min(max(widths, default=1), max(drafts.MAX_COLUMNS, max(len(row) for row in rows)))


def _grid(
    rows: list[list[LexborNode]], left: list[int], read: Callable[[LexborNode, int], TableCell]
) -> list[list[TableCell]]:
    widest = _width(rows)
    taken: dict[int, int] = {}
    grid: list[list[TableCell]] = []
    for index, row in enumerate(rows):
        line: list[TableCell] = []
        for part in row:
            while taken.get(len(line), 0) > 0:
                taken[len(line)] -= 1
                line.append(drafts.make_empty_cell())
            if len(line) > drafts.MAX_COLUMNS:
                raise ValueError(f"a table has more than {drafts.MAX_COLUMNS} columns")
            column, down = len(line), _span(part, "rowspan", left[index])
            across = _span(part, "colspan", max(1, widest - column))
            across = next((n for n in range(1, across) if taken.get(column + n, 0) > 0), across)
            cell = read(part, index)
            line.append(
                drafts.with_members(cell, colspan=across if across > 1 else None, rowspan=down if down > 1 else None)
            )
            line.extend(drafts.make_empty_cell() for _ in range(across - 1))
            for offset in range(across):
                taken[column + offset] = down - 1
        for column in range(len(line), max(taken, default=-1) + 1):
            if taken.get(column, 0) > 0:  # a cell of a row above spans this row
                taken[column] -= 1
                line.extend(drafts.make_empty_cell() for _ in range(column + 1 - len(line)))
        grid.append(line)
    return grid


def iter_shown_cells(rows: Sequence[Sequence[TableCell]]) -> Iterator[list[TableCell]]:
    """Yield the cells of each row that are not spanned by another one."""
    covered: dict[int, int] = {}
    for row in rows:
        shown: list[TableCell] = []
        across = 0
        for column, cell in enumerate(row):
            if across > 0:
                across -= 1
                continue
            if covered.get(column, 0) > 0:
                covered[column] -= 1
                continue
            across = cell.get("colspan", 1) - 1
            for offset in range(across + 1):
                covered[column + offset] = cell.get("rowspan", 1) - 1
            shown.append(cell)
        yield shown


def count_head_rows(rows: Sequence[Sequence[TableCell]]) -> int:
    """Count the header rows: the first, and those that its cells span."""
    end = 1
    index = 0
    while index < end:
        end = max(end, index + max(cell.get("rowspan", 1) for cell in rows[index]))
        index += 1
    return min(end, len(rows))

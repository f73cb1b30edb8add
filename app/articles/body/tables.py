"""HTML tables as rows of cells: spans become empty cells, so that every column keeps its place."""

from collections.abc import Callable, Iterator

from selectolax.lexbor import LexborNode

from app.articles.body import drafts
from app.articles.body.schemas import Inline, TableBlock


def read_table(node: LexborNode, read: Callable[[LexborNode], Inline]) -> TableBlock | None:
    """Read a table whose cells `read` understands; None when it is only a box around other content."""
    rows = list(_rows(node))
    captions = [part for part in _parts(node) if part.tag == "caption"]
    cells = [cell for _, row in rows for cell in row]
    if not cells or (len(cells) == 1 and not captions and cells[0].tag == "td"):
        return None
    first_section, first_row = next((section, row) for section, row in rows if row)
    header = first_section == "thead" or all(cell.tag == "th" for cell in first_row)
    grid = _grid([row for _, row in rows if row], read)
    texts = [caption for part in captions if (caption := read(part))["text"]]
    return drafts.table(grid, header=header, caption=texts[0] if texts else None)


def _parts(node: LexborNode) -> Iterator[LexborNode]:
    child = node.first_child
    while child is not None:
        if child.is_element_node:
            yield child
        child = child.next


def _rows(table: LexborNode) -> Iterator[tuple[str, list[LexborNode]]]:
    for part in _parts(table):
        if part.tag in {"thead", "tbody", "tfoot"}:
            for row in _parts(part):
                yield part.tag, [cell for cell in _parts(row) if cell.tag in {"td", "th"}]


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or ""
    return max(1, int(value)) if value.isascii() and value.isdigit() and len(value) < 6 else 1


def _grid(rows: list[list[LexborNode]], read: Callable[[LexborNode], Inline]) -> list[list[Inline]]:
    widest = max(len(row) for row in rows)
    taken: dict[int, int] = {}
    grid: list[list[Inline]] = []
    for row in rows:
        line: list[Inline] = []
        for cell in row:
            while taken.get(len(line), 0) > 0:
                taken[len(line)] -= 1
                line.append(drafts.empty())
            column, down = len(line), _span(cell, "rowspan")
            across = max(1, min(_span(cell, "colspan"), widest - column))
            line.append(read(cell))
            line.extend(drafts.empty() for _ in range(across - 1))
            for offset in range(across):
                taken[column + offset] = down - 1
        for column in range(len(line), max(taken, default=-1) + 1):
            taken[column] = max(0, taken.get(column, 0) - 1)
        grid.append(line)
    return grid

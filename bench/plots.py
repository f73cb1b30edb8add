"""Bar charts as SVG."""

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

COLORS = ("#7c9cd6", "#3f6bc2", "#1c3f86")  # readable on light and dark pages
WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 760, 150, 70, 9, 8, 62
_TEXT = '<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"{more}>{text}</text>'


def _write(x: float, y: float, text: str, anchor: str = "start", more: str = "") -> str:
    return _TEXT.format(x=x, y=y, anchor=anchor, text=escape(text), more=more)


def draw_bars(
    title: str, unit: str, series: Sequence[str], rows: Mapping[str, Sequence[float | None]], limit: float | None = None
) -> str:
    """Draw a horizontal bar for each value of each row, with its number; a dashed line marks a limit."""
    most = max([limit or 0, *(value for values in rows.values() for value in values if value is not None)])
    scale = (WIDTH - LEFT - RIGHT) / most
    height = TOP + len(rows) * (len(series) * BAR + GAP) + 6
    parts = [_write(0, 16, title, more=' font-size="15" font-weight="bold"'), _write(0, 34, unit)]
    x = float(LEFT)
    for color, name in zip(COLORS, series, strict=False):
        parts.append(f'<rect x="{x:.0f}" y="43" width="10" height="10" fill="{color}"/>')
        parts.append(_write(x + 15, 52, name))
        x += 40 + 7 * len(name)
    y = float(TOP)
    for name, values in rows.items():
        parts.append(_write(LEFT - 8, y + len(series) * BAR / 2 + 4, name, "end"))
        for color, value in zip(COLORS, values, strict=False):
            if value is not None:
                parts.append(
                    f'<rect x="{LEFT}" y="{y:.0f}" width="{value * scale:.1f}" height="{BAR - 1}" fill="{color}"/>'
                )
                parts.append(_write(LEFT + value * scale + 4, y + BAR - 1, f"{value:,.3g}", more=' font-size="9"'))
            y += BAR
        y += GAP
    if limit is not None:
        x = LEFT + limit * scale
        parts.append(f'<path d="M{x:.1f} {TOP - 4}V{height}" stroke="#c0392b" stroke-dasharray="4 3"/>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" font-size="12"'
    return "\n".join(
        [f'{head} font-family="sans-serif" fill="#777">', f"<title>{escape(title)}</title>", *parts, "</svg>\n"]
    )

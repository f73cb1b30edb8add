"""Write the pages of the reference that are made from the code, the list of decisions and the drawing of the floors.

`python -m docs.generate` writes them, and `make openapi` does after it has written openapi.json.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

import app.main  # noqa: F401  imports every room, and so every event and problem
from app.cli import COMMANDS, load_command
from app.core.problems import Problem
from app.core.settings import Settings
from app.events.base import EventBase
from app.events.catalog import EVENTS
from app.events.staff_events import EDITORIAL_TYPES, MODERATION_TYPES
from app.live.schemas import TYPES as LIVE_TYPES
from app.webhooks.schemas import EVENT_TYPES, PAYLOAD_MEMBERS

ROOT = Path(__file__).resolve().parent.parent
JSON_TYPES = {
    "str": "string",
    "int": "integer",
    "bool": "boolean",
    "list": "list of strings",
    "list[str]": "list of strings",
    "str | None": "string or null",
}
NOTE = "<!-- Written by docs/generate.py: change the code that it describes, then run `make openapi`. -->"


def cell(text: str) -> str:
    """Return a text as it may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return the lines of a table."""
    lines = [head, ["---"] * len(head), *[[cell(text) for text in row] for row in rows]]
    return [f"| {' | '.join(line)} |" for line in lines]


def page(title: str, intro: str, lines: list[str]) -> str:
    """Return a page with a title and an introduction."""
    return "\n".join([f"# {title}", "", NOTE, "", intro, "", *lines]) + "\n"


def default(field: FieldInfo) -> str:
    """Return the default of a setting as it would be written into the environment."""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, list | tuple):
        value = ",".join(value)
    return f"`{value}`" if value not in ("", None, {}) else "none"


def settings_page() -> str:
    """Return the page of all settings, in the order in which `Settings` names them."""
    rows = [
        [f"`{name.upper()}`", default(field), field.description or ""] for name, field in Settings.model_fields.items()
    ]
    intro = (
        "Settings are environment variables, or lines in a file `.env`, whose names start with `BROADSHEET_`: "
        "`SITE_URL` is set by `BROADSHEET_SITE_URL`. `broadsheet doctor` checks them."
    )
    return page("Settings", intro, table(["name", "default", "meaning"], rows))


def problems() -> list[type[Problem]]:
    """Return all kinds of problems, by status; tests may have made others."""
    kinds = [kind for kind in Problem.registry.values() if kind.__module__.startswith("app.")]
    return sorted(kinds, key=lambda kind: (kind.status, kind.code))


def problems_page() -> str:
    """Return the page of all problem codes."""
    rows = [[str(kind.status), f"`{kind.code}`", kind.title, kind.__doc__ or ""] for kind in problems()]
    intro = (
        "Every error is `application/problem+json` (RFC 9457) with these members: `type` (`/problems/{code}`), "
        "`title`, `status`, `detail`, `code`, `request_id`, and where several places are wrong `errors`, each with a "
        "`pointer` (RFC 6901) or `parameter`, a `code` and a `detail`. `code` is stable; texts may change."
    )
    return page("Problems", intro, table(["status", "code", "title", "meaning"], rows))


def events() -> list[type[EventBase]]:
    """Return all types of events, by name."""
    return [EVENTS[name] for name in sorted(EVENTS)]


def members_of(event: type[EventBase]) -> list[str]:
    """Return which members of an event webhooks are told, besides the id of its subject."""
    kind = event.name.partition(".")[0]
    return list(PAYLOAD_MEMBERS.get(event.name, PAYLOAD_MEMBERS.get(kind, ())))


def receivers_of(name: str) -> str:
    """Return who receives events of a type."""
    if name in MODERATION_TYPES:
        return "webhooks and the live streams `/v1/live` and `/v1/moderation/live`, of callers with `comments:moderate`"
    if name in EDITORIAL_TYPES:
        return "webhooks and the live stream `/v1/editorial/live`, of callers who read drafts"
    receivers = [
        title
        for title, types in (("webhooks", EVENT_TYPES), ("the live stream `/v1/live`", LIVE_TYPES))
        if name in types
    ]
    return " and ".join(receivers) or "consumers inside Broadsheet only"


def events_page() -> str:
    """Return the page of all events: what they mean, who receives them, and with which members."""
    lines: list[str] = []
    for event in events():
        name = event.name
        python_types = {field.name: str(getattr(field.type, "__name__", field.type)) for field in fields(event)}
        types = {member: JSON_TYPES.get(name_of_type, name_of_type) for member, name_of_type in python_types.items()}
        members = "".join(f", `{member}` ({types[member]})" for member in members_of(event) if member in types)
        lines += [
            f"## `{name}`",
            "",
            " ".join((event.__doc__ or "").split()),
            "",
            f"Received by {receivers_of(name)}.",
            "",
        ]
        if name in EVENT_TYPES:
            lines += [f"Members of `data`: `id`{members}.", ""]
    intro = (
        "An event is one row of the ordered log, written in the transaction of the change it tells of. A webhook "
        "message is `{type, timestamp, data}`. `data` names the subject by `id`, has the members listed here, and "
        "with every type `position` (where the event is in the log) and `cache_groups` (what it makes stale); with "
        "public articles also `etag`. In a list of types `article.*` stands for all types of a kind, and `*` for all. "
        "Only what is public, or was until then, is sent, except to moderators."
    )
    return page("Events and webhooks", intro, lines).rstrip() + "\n"


def list_commands() -> dict[str, Any]:
    """Return every command by its full name, a group before what is in it."""
    return dict(_commands_of({name: load_command(name) for name in COMMANDS}, "broadsheet"))


def _commands_of(commands: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, command in commands.items():
        if not command.hidden:
            yield f"{path} {name}", command
            yield from _commands_of(getattr(command, "commands", {}), f"{path} {name}")


def parameter_row(parameter: Any) -> list[str]:
    """Return an argument or option as a row: its name, its default, its help."""
    is_option = parameter.param_type_name == "option"
    title = ", ".join(parameter.opts) if is_option else parameter.metavar or parameter.name
    value = getattr(parameter.default, "value", parameter.default)
    shown = "required" if parameter.required else "" if value in (None, "", False) or callable(value) else f"`{value}`"
    return [f"`{title}`", shown, parameter.help or ""]


def commands_page() -> str:
    """Return the page of all commands with their arguments and options."""
    lines: list[str] = []
    for name, command in list_commands().items():
        lines += [f"## `{name}`", "", command.help or "", ""]
        rows = [parameter_row(parameter) for parameter in command.params]
        lines += [*table(["argument or option", "default", "meaning"], rows), ""] if rows else []
    intro = (
        "All commands are in `.venv/bin`; `python -m app` is the same as `broadsheet`. The exit status is 0 only when "
        "all of it worked. Settings come from the [environment](settings.md). Files that commands make are readable "
        "by their own user only."
    )
    return page("Commands", intro, lines).rstrip() + "\n"


def api_page() -> str:
    """Return the page of all operations, by tag, from openapi.json."""
    document = json.loads((ROOT / "openapi.json").read_text("utf-8"))
    by_tag: dict[str, list[list[str]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            text = (operation.get("description") or operation.get("summary") or "").split("\n\n")[0]
            by_tag.setdefault(operation["tags"][0], []).append([f"`{method.upper()} {path}`", text])
    lines: list[str] = []
    for tag, rows in sorted(by_tag.items()):
        lines += [f"## {tag.capitalize()}", "", *table(["operation", "what it does"], rows), ""]
    intro = (
        "The full description, with all parameters, schemas and examples, is the OpenAPI 3.1 document that every "
        "server has at `/openapi.json`, and shows at `/docs`; `openapi.json` in the repository is the same. The "
        "[rules that hold everywhere](conventions.md) are not repeated here."
    )
    return page("API", intro, lines).rstrip() + "\n"


def decisions_page() -> str:
    """Return the list of all decision records."""
    lines = []
    for path in sorted((ROOT / "docs/adr").glob("*.md")):
        title = path.read_text("utf-8").split("\n", 1)[0].lstrip("# ")
        number, _, name = title.partition(". ")
        lines.append(f"- {int(number):02d} [{name}](../adr/{path.name})")
    intro = "Where somebody would ask why, a record says so. A record is not rewritten later: a new one supersedes it."
    return page("Decisions", intro, lines)


STYLE = """<style>
  .paper { fill: #ffffff; stroke: #d0d7de } .box { fill: #eef4fb; stroke: #34608f }
  .line { fill: none; stroke: #57606a; stroke-width: 1.5 }
  text { fill: #1f2328; font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; text-anchor: middle }
  .small { font-size: 12px }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #161b22; stroke: #30363d } .box { fill: #1c2f45; stroke: #79aee8 }
    text { fill: #e6edf3 } .line { stroke: #a6afb9 }
  }
</style>"""


def layers() -> list[list[str]]:
    """Return the floors of the package with the rooms on each, highest first, as import-linter checks them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    floors = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [[room.strip() for room in re.split(r"[|:]", floor)] for floor in floors]
    present = [[room for room in floor if not room.startswith(("(", "__"))] for floor in rooms]
    return [floor for floor in present if floor]


def floors_drawing() -> str:
    """Return a drawing of the floors."""
    floors, width, height = layers(), 720, 40
    parts = []
    for at, rooms in enumerate(floors):
        each = (width - 84 - 8 * (len(rooms) - 1)) / len(rooms)
        for place, room in enumerate(rooms):
            x, y = 20 + place * (each + 8), 20 + at * height
            parts.append(f'<rect class="box" x="{x:.0f}" y="{y}" width="{each:.0f}" height="32" rx="6"/>')
            parts.append(f'<text x="{x + each / 2:.0f}" y="{y + 21}">{room}</text>')
    end = 12 + len(floors) * height
    parts.append(f'<path class="line" d="M676 22V{end}M671 {end - 8}L676 {end}L681 {end - 8}"/>')
    parts.append(
        f'<text class="small" transform="translate(692 {end / 2 + 10:.0f}) rotate(90)">imports go down only</text>'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {end + 20}" role="img" aria-labelledby="title">'
    )
    paper = f'<rect class="paper" x="0.5" y="0.5" width="{width - 1}" height="{end + 19}" rx="12"/>'
    title = '<title id="title">The floors of the package: imports go down only</title>'
    return "\n".join([head, title, STYLE, paper, *parts, "</svg>"]) + "\n"


PAGES = {
    "docs/reference/settings.md": settings_page,
    "docs/reference/problems.md": problems_page,
    "docs/reference/events.md": events_page,
    "docs/reference/commands.md": commands_page,
    "docs/reference/api.md": api_page,
    "docs/explanation/decisions.md": decisions_page,
    "docs/img/floors.svg": floors_drawing,
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (ROOT / name).write_text(write(), "utf-8")

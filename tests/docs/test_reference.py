"""The reference is complete and current: it explains each setting, problem, event, command and operation."""

import re
from pathlib import Path

import pytest

from app.core.settings import Settings
from app.web.rate_limits import DEFAULT_RATES
from app.webhooks.schemas import EVENT_TYPES
from docs import generate

ROOT = Path(__file__).resolve().parents[2]


def reference(name: str) -> str:
    return (ROOT / f"docs/reference/{name}.md").read_text("utf-8")


@pytest.mark.parametrize("page", generate.PAGES)
def test_the_page_is_current(page: str) -> None:
    assert (ROOT / page).read_text("utf-8") == generate.PAGES[page](), f"{page} is not current: make openapi"


def test_every_setting_is_explained() -> None:
    text = reference("settings")
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
    assert [name for name in Settings.model_fields if f"| `{name.upper()}` |" not in text] == []


def test_rate_limits_tell_the_defaults() -> None:
    assert ",".join(f"{name}={rate}" for name, rate in DEFAULT_RATES.items()) in reference("settings")


def test_every_problem_is_explained() -> None:
    text = reference("problems")
    assert [kind.code for kind in generate.problems() if not kind.__dict__.get("__doc__")] == []
    assert [kind.code for kind in generate.problems() if f"| `{kind.code}` |" not in text] == []


def test_every_event_is_explained() -> None:
    text = reference("events")
    assert [event.name for event in generate.events() if not event.__dict__.get("__doc__")] == []
    assert [event.name for event in generate.events() if f"## `{event.name}`\n" not in text] == []
    assert {event.name for event in generate.events()} >= EVENT_TYPES


def test_every_command_and_option_is_explained() -> None:
    text, known = reference("commands"), generate.list_commands()
    assert "broadsheet keys create" in known
    assert [name for name, command in known.items() if not command.help] == []
    assert [name for name in known if f"## `{name}`\n" not in text] == []
    options = [(name, parameter) for name, command in known.items() for parameter in command.params]
    assert [(name, parameter.name) for name, parameter in options if not parameter.help] == []


def test_every_operation_is_listed() -> None:
    operations = re.findall(r"^\| `([A-Z]+ /\S*)` \| (.*) \|$", reference("api"), re.M)
    assert len(operations) > 100
    assert [name for name, text in operations if not text.strip()] == []

"""The table of subscribers tells the truth: each consumer handles the events of its rows, and no others."""

import ast
import inspect
from collections.abc import Callable, Iterator
from textwrap import dedent
from types import UnionType
from typing import Any, get_args

import pytest

from app.anchors.relocation import relocate_anchors
from app.articles.approval_rules import delete_section_rule
from app.articles.discussions import delete_section_settings
from app.changes.schemas import MEANINGS
from app.events import catalog, staff_events
from app.events.base import EventBase
from app.events.catalog import EVENTS
from app.events.staff_events import EDITORIAL_TYPES, MODERATION_TYPES
from app.fronts.fronts import follow_merge as follow_merge_on_fronts
from app.live import messages, schemas
from app.mail.notifications import on_event
from app.partners.partners import on_published as remove_partners
from app.related.linking import update_links
from app.site.profile import follow_merge as follow_merge_in_menus
from app.subscribers import HANDLERS, SUBSCRIBERS
from app.subscriptions.subscriptions import follow_merge
from app.webhooks.schemas import EVENT_TYPES
from app.websub import publisher

MATCHING: dict[str, list[Callable[..., Any]]] = {
    "anchors": [relocate_anchors],
    "partners": [remove_partners],
    "discussions": [delete_section_settings],
    "approval": [delete_section_rule],
    "subscriptions": [follow_merge],
    "fronts": [follow_merge_on_fronts],
    "site": [follow_merge_in_menus],
    "related": [update_links],
    "mail": [on_event],
    "websub": [publisher._list_changed],
}
NAMING = {
    "webhooks": set(EVENT_TYPES),
    "changes": set(MEANINGS),
    "live": {*schemas.TYPES, *MODERATION_TYPES, *EDITORIAL_TYPES, *messages._CHANGES},
}


def find_class(name: str) -> object:
    """Return the class or union of this name, wherever it stands."""
    own = name.rpartition(".")[2]
    return getattr(catalog, own, getattr(staff_events, own, None))


def events_of(value: object) -> set[str]:
    """Return the names of the events that a class or a union of the catalog stands for."""
    kinds = get_args(value) if isinstance(value, UnionType) else [value]
    return {kind.name for kind in kinds if isinstance(kind, type) and issubclass(kind, EventBase)}


def matched(source: str) -> Iterator[str]:
    """Yield the names of the events that some code names in `case` patterns or with `isinstance`."""
    for node in ast.walk(ast.parse(dedent(source))):
        if isinstance(node, ast.MatchClass):
            yield from events_of(find_class(ast.unparse(node.cls)))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            for name in ast.walk(node.args[1]):
                if isinstance(name, ast.Name | ast.Attribute):
                    yield from events_of(find_class(ast.unparse(name)))


def rows_of(consumer: str) -> set[str]:
    return {event.name for event, consumers in SUBSCRIBERS.items() if consumer in consumers}


def test_every_event_has_a_row() -> None:
    assert {event.name for event in SUBSCRIBERS} == set(EVENTS)


def test_every_consumer_is_known() -> None:
    assert {name for names in SUBSCRIBERS.values() for name in names} == {*MATCHING, *NAMING}
    assert set(HANDLERS) <= set(MATCHING)


@pytest.mark.parametrize("consumer", sorted(MATCHING))
def test_a_consumer_handles_just_the_events_of_its_rows(consumer: str) -> None:
    handled = {name for function in MATCHING[consumer] for name in matched(inspect.getsource(function))}
    assert handled == rows_of(consumer)


@pytest.mark.parametrize("consumer", sorted(NAMING))
def test_a_consumer_names_just_the_events_of_its_rows(consumer: str) -> None:
    assert NAMING[consumer] == rows_of(consumer)


def test_live_streams_match_no_event_beyond_their_rows() -> None:
    assert set(matched(inspect.getsource(messages))) <= rows_of("live")


def test_a_case_that_is_in_no_row_is_found() -> None:
    source = "match entry.event:\n    case FrontChanged() | TagChanged(into=x):\n        pass"
    assert set(matched(source)) == {"front.changed", "tag.changed"}
    assert set(matched("isinstance(event, CommentEvent | MediaDeleted)")) == {
        *(kind.name for kind in get_args(catalog.CommentEvent)),
        "media.deleted",
    }

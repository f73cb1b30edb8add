"""Times and identifiers as they come in and go out."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from app.core.clock import Moment, format_rfc3339, now
from app.core.ids import IdPath, RefPath, is_id, new_id
from app.core.problems import NotFound

ID = "01890000-0000-7000-8000-00000000abcd"
MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


@time_machine.travel(datetime(2026, 3, 1, 12, 30, tzinfo=timezone(timedelta(hours=3))), tick=False)
def test_now_is_aware_and_utc() -> None:
    assert now() == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert format_rfc3339(now()) == "2026-03-01T09:30:00Z"


@given(st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_a_time_survives_as_text(moment: datetime) -> None:
    assert MOMENT.validate_python(format_rfc3339(moment)) == moment.astimezone(UTC)
    assert MOMENT.validate_python(moment).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "later"]
)
def test_a_time_outside_the_calendar_or_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(text)


def test_ids_are_new_and_stand_in_the_order_of_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(set(ids))
    assert all(map(is_id, ids))
    assert {text[14] for text in ids} == {"7"}


@pytest.mark.parametrize("text", ["", "slug", "0189-", ID.upper(), ID + "\n", "{" + ID + "}", "１" * 36])
def test_anything_else_is_no_id(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(NotFound):
        TypeAdapter(IdPath).validate_python(text)


def test_a_reference_is_an_id_or_a_slug() -> None:
    for text in (new_id(), "a-slug", "ولايت"):
        assert TypeAdapter(RefPath).validate_python(text) == text
    for text in ("a\0b", "a\nb", "x" * 201, "\ud800"):
        with pytest.raises(NotFound):
            TypeAdapter(RefPath).validate_python(text)

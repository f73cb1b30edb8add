"""`fields=`: exactly what was asked for, of what is public."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.core.problems import InvalidParameter
from app.web.fields import dump_json, parse_fields


class Inner(BaseModel):
    """A part. Its module's name must not matter, though `list` may be in it."""

    a: int
    b: str


Inner.__module__ = "app.listing"


class Outer(BaseModel):
    one: Inner
    maybe: Inner | None
    many: list[Inner]
    some: list[Inner] | None
    plain: list[str]
    free: dict[str, Any]


PART = {"a": 1, "b": "x"}
ROW = {"one": PART, "maybe": None, "many": [PART, PART], "some": [PART], "plain": ["p"], "free": {"k": 1}}


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ("plain", {"plain": ["p"]}),
        ("one.a", {"one": {"a": 1}}),
        ("one.a,one.b", {"one": PART}),
        ("maybe.a", {"maybe": None}),
        ("many.a", {"many": [{"a": 1}, {"a": 1}]}),
        ("some.b,plain", {"some": [{"b": "x"}], "plain": ["p"]}),
        ("one.a,one", {"one": PART}),
        ("one,one.a", {"one": PART}),
        (" one.a , free ", {"one": {"a": 1}, "free": {"k": 1}}),
        ("plain,plain", {"plain": ["p"]}),
    ],
)
def test_exactly_the_chosen_fields(fields: str, shown: dict[str, Any]) -> None:
    assert Outer.model_validate_json(dump_json(Outer, ROW)).model_dump() == ROW
    checked = Outer.model_validate(ROW)
    assert checked.model_dump(include=parse_fields(Outer, fields)) == shown
    assert (
        dump_json(Outer, ROW, parse_fields(Outer, fields))
        == checked.model_dump_json(include=parse_fields(Outer, fields)).encode()
    )


def test_all_without_the_parameter() -> None:
    assert parse_fields(Outer, None) is None


@pytest.mark.parametrize(
    "fields",
    ["", ",", "nothing", "one.nothing", "one.a.b", "plain.x", "free.k", "one.", ".one", "__class__", "model_fields"],
)
def test_an_unknown_field_is_a_400(fields: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_fields(Outer, fields)
    assert (caught.value.status, caught.value.errors[0]["parameter"]) == (400, "fields")


def test_an_unknown_field_is_named_if_it_is_harmless() -> None:
    with pytest.raises(InvalidParameter, match=r"no field one\.nothing\."):
        parse_fields(Outer, "plain,one.nothing")
    with pytest.raises(InvalidParameter, match=r"no field \(not shown\)"):
        parse_fields(Outer, "<script>")


@given(st.text(max_size=200))
def test_any_text_is_a_choice_or_a_400(text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert parse_fields(Outer, text)

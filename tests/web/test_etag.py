"""Entity tags: one per sequence of bytes, and a version in them for editors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.problems import BadRequest, PreconditionRequired, StaleVersion
from app.web import etag


@given(st.binary(), st.binary(), st.none() | st.integers(1, 10**9))
def test_tags_are_equal_where_bytes_are(one: bytes, other: bytes, version: int | None) -> None:
    assert (etag.make_etag(one, version) == etag.make_etag(other, version)) == (one == other)
    assert etag.make_etag(one, 1) != etag.make_etag(one, 2)


@given(st.binary(), st.none() | st.integers(1, 10**17), st.sampled_from(["", "-gzip", "-br", "-zstd"]))
def test_a_tag_that_was_given_is_recognised(body: bytes, version: int | None, coding: str) -> None:
    tag = etag.make_etag(body, version)
    for given_back in (f'"{tag}{coding}"', f'W/"{tag}{coding}"', f'"other", "{tag}{coding}" , W/"more"'):
        assert etag.matches_etag(given_back, tag)
    if version is not None:
        assert etag.parse_if_match(f'"{tag}{coding}"') == {version}


@pytest.mark.parametrize(
    "sent", ["", '"other"', '"', "tag", '"tag-deflate"', '"TAG"', '"tag', "'tag'", '"xtag"', '"tag-br-x"']
)
def test_another_tag_is_not(sent: str) -> None:
    assert not etag.matches_etag(sent, "tag")


def test_a_star_matches_whatever_is_there() -> None:
    assert etag.matches_etag(" * ", "tag")
    assert etag.parse_if_match("*") is None
    etag.check_version(3, None)


@pytest.mark.parametrize(
    ("sent", "versions"),
    [
        ('"v7-1f0c"', {7}),
        ('"v7"', {7}),
        ('"v7-a", "v8-b"', {7, 8}),
        ('W/"v7-1f0c"', set()),  # RFC 9110 §13.1.1: the comparison is strong
        ('W/"v7-1f0c", "v8-b"', {8}),
        ('"v7x"', set()),
        ('"v-7"', set()),
        ('"v٣-a"', set()),
        ('"7"', set()),
        ('"v9999999999999999999-a"', set()),
        ('""', set()),
    ],
)
def test_if_match_names_versions(sent: str, versions: set[int]) -> None:
    if "٣" in sent:
        with pytest.raises(BadRequest):
            etag.parse_if_match(sent)
    else:
        assert etag.parse_if_match(sent) == versions


@pytest.mark.parametrize("sent", ["", "7", "v7-1f0c", '"', "canary"])
def test_what_holds_no_tag_is_a_400(sent: str) -> None:
    with pytest.raises(BadRequest) as caught:
        etag.parse_if_match(sent)
    assert caught.value.errors[0]["parameter"] == "If-Match"
    assert "canary" not in str(caught.value.errors)


def test_a_write_needs_if_match() -> None:
    with pytest.raises(PreconditionRequired):
        etag.parse_if_match(None)


def test_another_version_is_told_with_what_differs() -> None:
    etag.check_version(7, frozenset({6, 7}))
    with pytest.raises(StaleVersion) as caught:
        etag.check_version(8, frozenset({7}), ["title", "body"])
    assert caught.value.members == {"current_version": 8, "fields": ["body", "title"]}
    with pytest.raises(StaleVersion):
        etag.check_version(8, frozenset())

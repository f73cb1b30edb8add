"""`broadsheet related` as an operator meets it."""

import pytest

from tests.cli.conftest import Broadsheet

pytestmark = pytest.mark.portable


def test_rebuilding_an_empty_store_works(broadsheet: Broadsheet, store: str) -> None:
    done = broadsheet("related", "rebuild")
    assert (done.status, done.out) == (0, "")
    assert done.err == "Rebuilt the links of 0 articles.\n"

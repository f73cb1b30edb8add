"""Fixtures: commands, as the tests of the command line run them."""

from tests.cli.conftest import broadsheet as broadsheet
from tests.cli.conftest import data as data

"""A primary with a standby, which tests of this folder share and leave well; one without a standby gets another."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.db.standbys import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A primary, at first with one standby."""
    with tempfile.TemporaryDirectory(prefix="broadsheet-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        found = Cluster(Path(folder))
        yield found
        found.cleanup()

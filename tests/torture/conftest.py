"""Which of these tests belong to `make torture` and `make test-long` alone: shorter ones hold the same rules."""

from tests.effort import IS_LONG

collect_ignore = (
    [] if IS_LONG else ["test_sqlite_faults.py", "test_postgresql_faults.py", "test_soak.py", "test_rolling_upgrade.py"]
)

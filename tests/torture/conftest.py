"""Which of these tests belong to `make torture` and `make test-long` alone: shorter ones hold the same rules."""

from tests.effort import IS_LONG

LONG_ONLY = [
    "test_backups.py",
    "test_clocks.py",
    "test_postgresql_faults.py",
    "test_recovery.py",
    "test_rolling_upgrade.py",
    "test_soak.py",
    "test_sqlite_faults.py",
]
collect_ignore = [] if IS_LONG else LONG_ONLY

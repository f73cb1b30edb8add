"""`python -m tests.torture`: kills, faults, clocks, backups and upgrades for as long as you like, as lines of JSON."""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.processes import ROOT


@dataclass(frozen=True)
class Part:
    """Some tests that find more the longer they run, and the variables that say how long (`tests/effort.py`)."""

    summary: str
    tests: tuple[str, ...]
    rounds: tuple[str, ...] = ()
    seconds: tuple[str, ...] = ()


PARTS = {
    "kills": Part(
        "kill servers and workers while articles and comments are written",
        ("tests/flows/test_kill.py", "tests/flows/test_kill_webhooks.py", "tests/flows/test_lost_answer.py"),
        rounds=("KILLS",),
    ),
    "database-kills": Part(
        "kill PostgreSQL's server while comments are written",
        ("tests/torture/test_postgresql_faults.py::test_kills_of_the_database_lose_nothing",),
        rounds=("KILLS",),
    ),
    "failover": Part(
        "pause, hang, kill and promote standbys of PostgreSQL",
        ("tests/db/test_standby_history.py", "tests/db/test_replica.py"),
        rounds=("ROUNDS",),
        seconds=("PAUSE",),
    ),
    "faults": Part(
        "lock, fill, move, stop, damage and make read-only the database",
        (
            "tests/torture/test_sqlite_faults.py",
            "tests/torture/test_postgresql_faults.py::test_faults_are_told_and_heal",
            "tests/db/test_database_errors.py",
            "tests/cli/test_doctor.py",
        ),
        rounds=("ROUNDS",),
    ),
    "clocks": Part(
        "run days of the clock in a minute, and let it jump",
        ("tests/torture/test_clocks.py", "tests/test_waking.py"),
        rounds=("ROUNDS",),
    ),
    "soak": Part(
        "keep a mixed load up and watch memory, files and threads",
        ("tests/torture/test_soak.py",),
        seconds=("SOAK_SECONDS",),
    ),
    "upgrade": Part(
        "upgrade stores of earlier schemas; serve with the release before and this one at once",
        ("tests/stores", "tests/torture/test_rolling_upgrade.py"),
        rounds=("ROUNDS",),
    ),
    "slow-clients": Part(
        "send heads and bodies byte by byte, and read nothing",
        ("tests/torture/test_edge.py::test_slow_clients_are_closed_and_others_served",),
        rounds=("CLIENTS",),
    ),
    "bodies": Part(
        "send bodies that are too large or too deep",
        ("tests/torture/test_edge.py::test_large_and_deep_bodies_are_refused",),
        rounds=("BODIES",),
    ),
    "restarts": Part(
        "restart the server under load",
        ("tests/torture/test_edge.py::test_restarts_lose_no_request",),
        rounds=("RESTARTS",),
    ),
    "overload": Part(
        "ask for ten times what the server can answer",
        ("tests/torture/test_edge.py::test_an_overloaded_server_answers_as_much_as_it_can",),
        seconds=("SECONDS",),
    ),
    "backups": Part(
        "make backups while clients write, and restore each; go back to a moment",
        ("tests/torture/test_backups.py", "tests/torture/test_recovery.py", "tests/cli/test_database.py"),
        rounds=("ROUNDS",),
    ),
    "history": Part(
        "compare kept answers and followers of changes with the store",
        ("tests/edge/test_freshness_checker.py", "tests/changes/test_followers.py"),
        rounds=("DISTURBANCES", "FOLLOW_KILLS"),
    ),
}


def run_part(name: str, seed: int, options: argparse.Namespace) -> dict[str, object]:
    """Run the tests of a part; return its figures."""
    part = PARTS[name]
    environment = {**os.environ, "LONG": "1"}
    for variables, number in ((part.rounds, options.rounds), (part.seconds, options.seconds)):
        environment |= {variable: str(number) for variable in variables if number is not None}
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}.get(options.database)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", f"--randomly-seed={seed}"]
        command += [
            f"--junit-xml={report}",
            "--override-ini=junit_family=xunit1",
            "--override-ini=faulthandler_timeout=0",
            *(["-k", f"not {other}"] if other else []),
            *part.tests,
        ]
        ran = subprocess.run(command, cwd=ROOT, env=environment, stdout=sys.stderr, check=False)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []
    figures = {
        case.get("name"): json.loads(str(entry.get("value")))
        for case in cases
        for entry in case.iter("property")
        if entry.get("name") == "figures"
    }
    failed = [case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return {
        "part": name,
        "seed": seed,
        "ok": ran.returncode == 0,
        "seconds": round(time.monotonic() - began, 1),
        "tests": len(cases),
        "failed": failed,
        "figures": figures,
    }


def main() -> int:
    """Run parts one after the other; the status is 1 if any failed."""
    listed = "\n".join(f"  {name:16}{part.summary}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description=__doc__,
        epilog=f"parts (by default all):\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="one of those below")
    parser.add_argument("--rounds", type=int, help="kills or rounds of a part; each has a long default of its own")
    parser.add_argument("--seconds", type=int, help="seconds of a part, or of a pause in it")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], help="one of the two alone")
    parser.add_argument("--seed", type=int, help="a number that an earlier run has printed")
    options = parser.parse_args()
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)}")
    ok = True
    for name in options.parts or PARTS:
        seed = random.randrange(2**32) if options.seed is None else options.seed
        sys.stderr.write(f"{name}: seed {seed}\n")
        result = run_part(name, seed, options)
        sys.stdout.write(f"{json.dumps(result)}\n")
        sys.stdout.flush()
        ok &= bool(result["ok"])
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

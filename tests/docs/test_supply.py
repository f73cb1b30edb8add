"""What the project says of its security is so: actions are pinned, and the tests that it names exist."""

import re

import yaml

from tests.processes import ROOT


def test_actions_are_pinned() -> None:
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"]
        used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]
        assert used
        assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []


def test_every_lock_pins_hashes() -> None:
    locks = sorted(ROOT.glob("requirements*.lock"))
    assert len(locks) == 4
    for lock in locks:
        packages = re.split(r"^(?=[\w.-]+==)", lock.read_text("utf-8"), flags=re.MULTILINE)[1:]
        assert [text.partition("\n")[0] for text in packages if "--hash=sha256:" not in text] == []


def test_tests_that_hold_the_security_exist() -> None:
    page = (ROOT / "docs/explanation/security.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 40
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in (ROOT / path).read_text("utf-8")]
    assert missing == []
    rows = re.findall(r"^\| (API\d+|V\d+) ", page, re.MULTILINE)
    assert rows == [*(f"API{n}" for n in range(1, 11)), *(f"V{n}" for n in range(1, 18))]

"""What the documentation names is there: pages, headings, files, commands, targets, settings and operations."""

import json
import re
from pathlib import Path

import pytest

from app.core.settings import Settings
from docs import generate

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Records and the changelog tell of their time: what they name may be gone since.
PRESENT = [page for page in PAGES if not page.startswith("docs/adr/") and page != "CHANGELOG.md"]
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```.*?^```|^ {4,}.*?$", re.S | re.M)
CODE = re.compile(BLOCK.pattern + r"|`[^`\n]+`", re.S | re.M)
OTHERS = {"MAX_REVISIONS"}  # constants that CONTRIBUTING takes for examples
COMMAND = re.compile(r"(?:^|\W)broadsheet ((?:[a-z]+ ?)+)((?:[^`\n|>]*? --[a-z-]+)*)")


def text_of(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def code_of(page: str) -> list[str]:
    return CODE.findall(text_of(page))


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs make them."""
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for image, title, target in LINK.findall(BLOCK.sub("", text_of(page))):
        assert title, f"{target} has no text"
        if re.match(r"https?://", target):
            assert not image, f"{target} is loaded from another host"
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {target} is not there"
        if anchor:
            assert anchor in anchors_of(path.read_text("utf-8")), f"{page}: {target} has no such heading"


def test_navigation_names_every_page() -> None:
    named = re.findall(r"^ +- (?:\w+: )?([a-z/-]+\.md)$", text_of("mkdocs.yml"), re.M)
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/") and "/adr/" not in page}
    assert sorted(named) == sorted(pages)


def test_decision_records_have_a_number_of_their_own_and_a_date() -> None:
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    titles = [path.read_text("utf-8").split("\n", 1)[0] for path in records]
    assert [int(path.name[:4]) for path in records] == [int(title.strip("# ").partition(".")[0]) for title in titles]
    assert len({path.name[:4] for path in records}) == len(records)
    undated = [path.name for path in records if not re.search(r"Date\W+\d{4}-\d\d-\d\d", path.read_text("utf-8"))]
    assert undated == []


def test_readme_fits_two_screens() -> None:
    assert len(text_of("README.md").splitlines()) <= 150


@pytest.mark.parametrize("page", PRESENT)
def test_commands_exist(page: str) -> None:
    known = generate.list_commands()
    for words, options in COMMAND.findall("\n".join(code_of(page))):
        first, *rest = words.split()
        name = f"broadsheet {first}"
        assert name in known, f"{page}: {name} is no command"
        if rest and f"{name} {rest[0]}" in known:
            name = f"{name} {rest[0]}"
        elif hasattr(known[name], "commands"):
            assert not rest, f"{page}: {name} {rest[0]} is no command"
        allowed = {option for parameter in known[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", options)) <= allowed, f"{page}: {name} does not take {options}"


@pytest.mark.parametrize("page", PRESENT)
def test_make_targets_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = {name for code in code_of(page) for name in re.findall(r"\bmake ([a-z-]+)", code)}
    assert named <= targets
    parts = {part for code in code_of(page) for part in re.findall(r"\bT=(\S+?)(?=[`\s])", code)}
    assert [part for part in parts if not (ROOT / part).exists()] == []


@pytest.mark.parametrize("page", PRESENT)
def test_files_exist(page: str) -> None:
    tokens = re.findall(r"`((?:[a-z_.-]+/)+(?:[a-z_]+\.(?:py|md))?)`", text_of(page))
    made = ("data/", ".venv/", "backups/")
    wrong = [
        token
        for token in tokens
        if not token.startswith(made) and not any((base / token).exists() for base in (ROOT, ROOT / "app"))
    ]
    assert not wrong, f"{page} names {wrong}"


@pytest.mark.parametrize("page", PRESENT)
def test_settings_exist(page: str) -> None:
    known = {name.upper() for name in Settings.model_fields}
    text = "\n".join(code_of(page)).replace("`BROADSHEET_", "`")
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text)) | set(re.findall(r"BROADSHEET_([A-Z][A-Z_]*)", text))
    assert named <= known | OTHERS


@pytest.mark.parametrize("page", PRESENT)
def test_operations_exist(page: str) -> None:
    paths = json.loads(text_of("openapi.json"))["paths"]
    known = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    known = {re.sub(r"\{[^}]*\}", "{}", operation) for operation in known}
    named = re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /v1/[^\s`?]*)", text_of(page))
    assert [name for name in named if re.sub(r"\{[^}]*\}|(?<=/people/)me\b", "{}", name) not in known] == []

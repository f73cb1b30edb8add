"""The rules of the house that no linter knows: budgets, one home for each thing, and the order of a room's files."""

import ast
import re
import runpy
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import pytest

from app.core.settings import Settings
from app.main import create_app
from tests.document import operations

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "app").rglob("*.py"))

# Highest first: of these modules a room imports downwards only.
ORDER = ["routes", "schemas", "tables"]
LIBRARIES = {"importers", "cli"}  # folders that have folders of their own
LOOSE = {"__init__", "__main__", "main", "services", "subscribers", "worker", "wiring"}
CLOCKS = {"now", "utcnow", "today", "time", "time_ns"}
NOW = re.compile(r"\b(datetime\.(now|utcnow|today)|date\.today|time\.time(_ns)?)$")
Rule = Callable[[str, str], Iterator[tuple[int, str]]]


@cache
def parse(source: str) -> ast.Module:
    """The tree of a module; rules look at the same ones."""
    return ast.parse(source)


@cache
def walk(source: str) -> tuple[ast.AST, ...]:
    """All nodes of a module's tree."""
    return tuple(ast.walk(parse(source)))


def lengths(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Files of 600 lines and functions of 60 at most."""
    most = 600
    lines = len(source.splitlines())
    if lines > most:
        yield 1, f"{lines} lines, {most} are allowed"
    for node in walk(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > 60:
                yield node.lineno, f"{node.name} has {size} lines, 60 are allowed"


def one_home(path: str, source: str) -> Iterator[tuple[int, str]]:
    """No ORM relationships; commits, the clock and tables each have one home."""
    for node in walk(source):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == "Relationship":
                yield node.lineno, "Relationship() loads rows behind the reader's back: select columns"
            if called == "commit" and isinstance(node.func, ast.Attribute) and not path.startswith("app/db/"):
                yield node.lineno, "only app.db commits"
        if _splices_json(node) and path != "app/articles/rendering.py":
            yield node.lineno, "JSON is spliced in articles.rendering"
        if (
            isinstance(node, ast.Attribute)
            and node.attr in CLOCKS
            and NOW.search(ast.unparse(node))
            and path != "app/core/clock.py"
        ):
            yield node.lineno, "the time comes from core.clock"
        if isinstance(node, ast.ClassDef) and _is_table(node) and not path.endswith("/tables.py"):
            yield node.lineno, "tables stand in tables.py"


def _splices_json(node: ast.AST) -> TypeGuard[ast.expr]:
    if isinstance(node, ast.Subscript):
        called = node.value.func if isinstance(node.slice, ast.Slice) and isinstance(node.value, ast.Call) else None
        return called is not None and ast.unparse(called) == "pydantic_core.to_json"
    return isinstance(node, ast.Constant) and isinstance(node.value, bytes) and b'":' in node.value


def _is_table(node: ast.ClassDef) -> bool:
    return any(keyword.arg == "table" for keyword in node.keywords)


STATE = re.compile(r"""(\bapp|\["app"\]|\['app'\])\.state\b""")


def one_accessor(path: str, source: str) -> Iterator[tuple[int, str]]:
    """The state of the app is set in main, and read in one place that gives it a type."""
    if path in {"app/main.py", "app/web/services.py"}:
        return
    for node in walk(source):
        if isinstance(node, ast.Attribute) and node.attr == "state" and STATE.search(ast.unparse(node)):
            yield node.lineno, "declare what the room needs in its services.py, and ask for it with `of(request)`"


MUTABLE = {
    "Counter",
    "OrderedDict",
    "WeakKeyDictionary",
    "WeakValueDictionary",
    "defaultdict",
    "deque",
    "dict",
    "list",
    "set",
}
MUTATORS = set(
    "add append appendleft clear discard extend insert pop popitem popleft remove setdefault update __setitem__".split()
)
CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*$")
ALLOWED_STATE = {
    ("app/feeds/entries.py", "_KEPT"): "a bounded cache, by everything that an entry shows",
    ("app/db/query_process.py", "_WAYS"): "set once, in a process that does nothing else, for functions that pickle",
}


def no_registries(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Nothing of a module is filled by another module or while the app runs: state stands in objects that are built."""
    tree = parse(source)
    own = set(_mutables(tree))
    from_app = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and ast.unparse(node).split()[1].split(".")[0] == "app"
        for alias in node.names
    }
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = {id(inner) for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield node.lineno, f"{', '.join(node.names)}: no function rebinds what stands in a module"
        for changed in _changed(node):
            base, _, rest = changed.partition(".")
            is_other = base in from_app and CONSTANT.match(rest.rpartition(".")[2] or base)
            is_own = changed in own and id(node) in inside
            if (is_other or is_own) and (path, changed) not in ALLOWED_STATE:
                yield node.lineno, f"{changed} is filled from elsewhere: take it as an argument, or build an object"


def _mutables(tree: ast.Module) -> Iterator[str]:
    """Names of the module that hold a list, a set or a dict."""
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        called = ast.unparse(value.func).partition("[")[0].rpartition(".")[2] if isinstance(value, ast.Call) else ""
        displays = ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp
        if called in MUTABLE or isinstance(value, displays):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]  # type: ignore[union-attr]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _changed(node: ast.AST) -> Iterator[str]:
    """The names of what a statement or call changes in place."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        yield ast.unparse(node.func.value)
    targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else []
    if isinstance(node, ast.AugAssign):
        targets = [node.target]
        yield ast.unparse(node.target)
    yield from (ast.unparse(target) for target in targets if isinstance(target, ast.Attribute))
    yield from (ast.unparse(target.value) for target in targets if isinstance(target, ast.Subscript))


def layout(path: str, _source: str) -> Iterator[tuple[int, str]]:
    """Only known modules stand directly under app/, and rooms are flat."""
    _, *folders, name = PurePosixPath(path).with_suffix("").parts
    if not folders:
        if name not in LOOSE:
            yield 1, f"directly under app/ stand only {', '.join(sorted(LOOSE))}"
    elif len(folders) > 1 and folders[0] not in LIBRARIES:
        yield 1, "a room is flat: name the module by what it does"


def order(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Tables know no schemas, and neither knows routes."""
    folder, own = str(PurePosixPath(path).parent), PurePosixPath(path).stem
    if own not in ORDER:
        return
    package = folder.replace("/", ".")
    for node in walk(source):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        module = getattr(node, "module", None)
        names = [alias.name for alias in node.names]
        targets = [module, *(f"{module}.{name}" for name in names)] if module else names
        for target in targets:
            head, _, tail = target.rpartition(".")
            if head == package and tail in ORDER and ORDER.index(tail) < ORDER.index(own):
                yield node.lineno, f"{own} is below {tail} and may not import it"


def docstrings(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Modules say what they are for, public verbs and reads say why they are there."""
    tree = parse(source)
    if not ast.get_docstring(tree):
        yield 1, "the module has no docstring"
    if not path.endswith(("routes.py", "schemas.py", "tables.py", "events.py")):
        verbs = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for verb in verbs:
            is_overload = any(ast.unparse(decorator) == "overload" for decorator in verb.decorator_list)
            if not verb.name.startswith("_") and not is_overload and not ast.get_docstring(verb):
                yield verb.lineno, f"{verb.name} has no docstring"


# Written in pieces, so that this file does not break its own rule.
BANNED = re.compile(
    "|".join(
        [
            r"p" + r"ypi\.(org|python)",
            r"python" + r"hosted\.",
            r"registry\." + r"npm",
            r"--(extra-)?ind" + r"ex-url",
            r"--find" + r"-links[ =]",
            r"(?<![\w.}/-])/(work|t" + r"mp|root|home)/",
        ]
    )
)


def banned(_path: str, source: str) -> Iterator[tuple[int, str]]:
    """No address of a package registry and no path of somebody's machine."""
    for number, line in enumerate(source.splitlines(), start=1):
        if found := BANNED.search(line):
            yield number, f"{found[0]} is an address of one machine or registry"


def longer_than(most: int, source: str) -> Iterator[tuple[int, str]]:
    """Pages that are meant to be read in one go."""
    if (lines := len(source.splitlines())) > most:
        yield 1, f"{lines} lines, {most} are allowed"


def without_problems(document: dict[str, Any]) -> Iterator[str]:
    """Operations that name no client error as problem+json."""
    for method, path, operation in operations(document):
        answers = operation["responses"]
        assert isinstance(answers, dict)
        if not any(str(code).startswith("4") and "application/problem+json" in str(answers[code]) for code in answers):
            yield f"{method} {path}"


RETIRED = {  # words that the code once had, and what it says now (see the glossary in CONTRIBUTING.md)
    "lay_out": "apply_revision",
    "reckon": "refresh_visibility",
    "spoil": "invalidate",
    "lean": "select_cached",
    "steady": "retry_on_change",
    "MovedOn": "SnapshotChanged",
    "BESIDE": "includes",
    "Aside": "QueryProcesses",
    "giving_way": "yield_cpu",
    "heed": "apply_notify",
    "hearers": "find_recipients",
    "Hearer": "Recipient",
    "Circle": "Audience",
    "Screening": "ModerationPipeline",
    "Receipt": "AccessRecord",
    "hand_over": "limit_for_partner",
    "astray": "index drift",
    "Fact": "Event",
}
_RETIRED = re.compile(r"\b(" + "|".join(RETIRED) + r")\b")


def retired(_path: str, source: str) -> Iterator[tuple[int, str]]:
    """One word for one thing: those of the glossary, and not those that they replaced."""
    for number, line in enumerate(source.splitlines(), start=1):
        if word := _RETIRED.search(line):
            yield number, f"`{word[1]}` is retired: {RETIRED[word[1]]}"


def prose_and_code() -> list[str]:
    """The code, the templates of mails, and the documentation; decision records keep the words of their time."""
    pages = [path for path in project_files() if path.startswith("docs/") and not path.startswith("docs/adr/")]
    templates = [path.relative_to(ROOT).as_posix() for path in (ROOT / "app/mail/templates").iterdir()]
    return ["README.md", "ARCHITECTURE.md", *SOURCES, *templates, *pages]


def project_files() -> list[str]:
    """Text files of the project; what tools make and what a publication stores is not looked at."""
    kinds = {".py", ".toml", ".md", ".yaml", ".json", ".lock", ".sh", ".mako", ".txt", ".ts", ".mjs", ""}
    made = {".venv", ".git", "build", "data", "dist", "node_modules", "__pycache__", ".hypothesis"}
    paths = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.suffix in kinds and path.is_file()]
    return sorted(
        path.as_posix()
        for path in paths
        if not made & set(path.parts) and not any(part.endswith(("_cache", ".egg-info")) for part in path.parts)
    )


def found(rule: Rule, paths: list[str]) -> str:
    broken = [(path, *place) for path in paths for place in rule(path, (ROOT / path).read_text("utf-8"))]
    return "\n".join(f"{path}:{line}: {text}" for path, line, text in broken)


def test_the_app_keeps_the_rules() -> None:
    """All in one test, as processes would each parse the whole app for theirs."""
    broken = {
        rule.__doc__: found(rule, SOURCES) for rule in (lengths, one_home, one_accessor, layout, order, docstrings)
    }
    assert not (told := "\n".join(f"{rule}\n{places}" for rule, places in broken.items() if places)), told


def test_no_address_of_a_machine_or_registry_is_in_the_project() -> None:
    assert "Makefile" in (files := project_files())
    assert not (broken := found(banned, files)), broken


def test_any_is_counted_in_code_alone() -> None:
    count = runpy.run_path(str(ROOT / ".ci/types"))["count_any"]
    lines = ['"""Any."""', "from typing import Any  # Any", "", "def f(x: Any) -> 'list[Any]':", "    # Any"]
    assert count("\n".join([*lines, '    """Any.', "", "    Any.", '    """', "    return x", ""])) == (3, 3)


def test_any_becomes_no_more_frequent() -> None:
    assert runpy.run_path(str(ROOT / ".ci/types"))["main"]() == 0


def test_retired_words_do_not_return() -> None:
    assert not (broken := found(retired, prose_and_code())), broken


def test_pages_are_short() -> None:
    decisions = [path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/adr").glob("*.md")]
    assert decisions
    assert not (broken := found(lambda _path, text: longer_than(25, text), decisions)), broken
    assert not (broken := found(lambda _path, text: longer_than(120, text), ["ARCHITECTURE.md"])), broken


def test_every_route_documents_its_problems(tmp_path: Path) -> None:
    app = create_app(Settings(_env_file=None, data_dir=tmp_path), with_worker=False)
    document = app.openapi()
    assert document["paths"]
    assert list(without_problems(document)) == []


LONG = "def f():\n" + "    x = 1\n" * 60


@pytest.mark.parametrize(
    ("rule", "path", "source", "lines"),
    [
        (lengths, "app/a/actions.py", "\n" * 601, [1]),
        (lengths, "app/a/routes.py", "\n" * 601, [1]),
        (lengths, "app/a/actions.py", "\n" * 600, []),
        (lengths, "app/a/actions.py", "\n" + LONG, [2]),
        (lengths, "app/a/actions.py", LONG[:-10], []),
        (lengths, "app/a/actions.py", "async " + LONG, [1]),
        (one_home, "app/a/tables.py", "x = 1\ny = sqlmodel.Relationship()", [2]),
        (one_home, "app/a/actions.py", "session.commit()", [1]),
        (one_home, "app/db/sqlite.py", "session.commit()", []),
        (one_home, "app/dbx/base.py", "session.commit()", [1]),
        (one_home, "app/a/actions.py", "datetime.now(UTC)", [1]),
        (one_home, "app/a/actions.py", "f(default_factory=dt.datetime.utcnow)", [1]),
        (one_home, "app/a/actions.py", "time.time()\ntime.monotonic()\nclock.now()", [1]),
        (one_home, "app/core/clock.py", "datetime.now(UTC)", []),
        (one_home, "app/a/actions.py", "x = 1\nb'{\"data\":' + y", [2]),
        (one_home, "app/a/actions.py", "pydantic_core.to_json(x)[1:-1]\npydantic_core.to_json(x)", [1]),
        (one_home, "app/articles/rendering.py", "pydantic_core.to_json(x)[1:-1]", []),
        (one_home, "app/a/actions.py", "class A(SQLModel, table=True): pass", [1]),
        (one_home, "app/a/tables.py", "class A(SQLModel, table=True): pass", []),
        (one_accessor, "app/a/routes.py", "x = 1\nrequest.app.state.db", [2]),
        (one_accessor, "app/a/routes.py", "def f(app):\n    app.state = 1", [2]),
        (one_accessor, "app/a/routes.py", "scope['app'].state.db", [1]),
        (one_accessor, "app/a/routes.py", "article.state\nA.c.state", []),
        (one_accessor, "app/main.py", "app.state.services = 1", []),
        (no_registries, "app/wiring.py", "from app.a.b import SHOWN\nSHOWN['x'] = f", [2]),
        (no_registries, "app/wiring.py", "from app.a import routes as r\nr.ACCEPTED.update(x)", [2]),
        (no_registries, "app/wiring.py", "from app.a.b import NAMES\nNAMES |= {1}\ndel NAMES[0]", [2, 3]),
        (no_registries, "app/wiring.py", "from app.a import routes as r\nr.ACCEPTED = x", [2]),
        (no_registries, "app/a/b.py", "KEPT: dict[str, int] = {}\ndef f():\n    KEPT['a'] = 1", [3]),
        (no_registries, "app/a/b.py", "_seen = defaultdict(list)\nasync def f():\n    _seen.clear()", [3]),
        (no_registries, "app/a/b.py", "LATE = None\ndef f():\n    global LATE\n    LATE = 1", [3]),
        (no_registries, "app/a/b.py", "KINDS = {}\nfor k in 'ab':\n    KINDS[k] = 1", []),
        (no_registries, "app/a/b.py", "def f():\n    kept = {}\n    kept['a'] = 1", []),
        (no_registries, "app/a/b.py", "from app.a import terms\nterms.remove(1)\nsa.update(A)", []),
        (no_registries, "app/feeds/entries.py", "_KEPT = {}\ndef f():\n    _KEPT.clear()", []),
        (layout, "app/helpers.py", "", [1]),
        (layout, "app/main.py", "", []),
        (layout, "app/articles/purging.py", "", []),
        (layout, "app/articles/previews/actions.py", "", [1]),
        (layout, "app/importers/wordpress/reader.py", "", []),
        (order, "app/a/tables.py", "from app.a.schemas import x", [1]),
        (order, "app/a/schemas.py", "from app.a import routes, tables", [1]),
        (order, "app/a/schemas.py", "import app.a.routes", [1]),
        (order, "app/a/routes.py", "from app.a import schemas\nfrom app.b.actions import x", []),
        (docstrings, "app/a/routes.py", "def f(): pass", [1]),
        (docstrings, "app/a/actions.py", '"""Why."""\ndef f(): pass\ndef _g(): pass', [2]),
        (docstrings, "app/a/actions.py", '"""Why."""\nasync def f():\n    """Why."""', []),
        (retired, "app/a/b.py", "def reckon_all(): pass\ndef reckon(): pass", [2]),
        (retired, "docs/a.md", "A factory. A Fact.\nclean, heedless", [1]),
        (banned, "README.md", "pip install --ind" + "ex-url x", [1]),
        (banned, "README.md", "see\nhttps://py" + "pi.org/simple", [2]),
        (banned, "README.md", "cd /t" + "mp/x", [1]),
        (banned, "README.md", "GET /v1/articles/work/ and {root}/home/", []),
    ],
)
def test_a_rule_fires_where_it_should_and_only_there(rule: Rule, path: str, source: str, lines: list[int]) -> None:
    assert [line for line, _ in rule(path, source)] == lines


def test_the_other_rules_fire() -> None:
    assert list(longer_than(2, "a\nb\nc"))
    assert not list(longer_than(3, "a\nb\nc"))
    answer = {"description": "…", "content": {"application/problem+json": {}}}
    paths = {"/a": {"get": {"responses": {"404": answer}}}, "/b": {"get": {"responses": {"200": answer}}}}
    assert list(without_problems({"paths": paths})) == ["GET /b"]


def test_test_modules_have_names_of_their_own() -> None:
    """pytest imports a test module by its name alone: of two with one name it runs one."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, number in names.items() if number > 1] == []

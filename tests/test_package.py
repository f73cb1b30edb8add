"""What an installed package needs is in it."""

import tomllib
from pathlib import Path

from setuptools import find_namespace_packages

ROOT = Path(__file__).resolve().parent.parent


def test_the_package_brings_what_it_reads() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    packages = find_namespace_packages(str(ROOT), include=configuration["packages"]["find"]["include"])
    assert {"app", "app.cli", "migrations", "migrations.versions"} <= set(packages)
    assert not [name for name in packages if name.split(".")[0] not in {"app", "migrations"}]
    for pattern in configuration["package-data"]["app"]:
        assert list((ROOT / "app").glob(pattern)), f"{pattern} names nothing"
    others = {path for path in (ROOT / "app").rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    brought = {path for pattern in configuration["package-data"]["app"] for path in (ROOT / "app").glob(pattern)}
    assert others <= brought

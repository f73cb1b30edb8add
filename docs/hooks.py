"""Hooks of MkDocs: bring the pages at the top of the repository into the site, and list the decision records."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PLOTS = ROOT / "bench/results"
PROJECT = ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"]
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s:#]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Complete the navigation with what is found in folders."""
    records = sorted(path.name for path in (ROOT / "docs/adr").glob("*.md"))
    for section in config.nav:
        section.get("Decisions", []).extend(f"adr/{name}" for name in records)
        section.get("Project", []).extend(f"project/{name.lower()}" for name in PROJECT)
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages at the top of the repository, and the plots of the benchmark."""
    for name in PROJECT:
        text = (ROOT / name).read_text("utf-8")
        files.append(File.generated(config, f"project/{name.lower()}", content=relink(text, ROOT, "project")))
    for plot in sorted(PLOTS.glob("*.svg")):
        files.append(File.generated(config, f"img/bench/{plot.name}", abs_src_path=str(plot)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Let links that leave docs/ lead to the same page of the site; where the site has none, only the words stay."""
    if page.file.abs_src_path is None or page.file.generated_by:
        return markdown
    return relink(markdown, Path(page.file.abs_src_path).parent, PurePosixPath(page.file.src_uri).parent.as_posix())


def relink(markdown: str, folder: Path, at: str) -> str:
    """Rewrite the links of a page in a folder of the repository for its place in the site."""
    up = "../" * len(PurePosixPath(at).parts)

    def lead(link: re.Match[str]) -> str:
        words, target, anchor = link[1], (folder / link[2]).resolve(), link[3] or ""
        if target.parent == ROOT and target.name in PROJECT:
            return f"[{words}]({up}project/{target.name.lower()}{anchor})"
        if target.parent == PLOTS and target.suffix == ".svg":
            return f"[{words}]({up}img/bench/{target.name})"
        if target.is_relative_to(ROOT / "docs") and target.is_file():
            return f"[{words}]({up}{target.relative_to(ROOT / 'docs').as_posix()}{anchor})"
        return words

    return LINK.sub(lead, markdown)

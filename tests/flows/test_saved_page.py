"""A saved page of a publication goes in as a newsroom would enter it, and comes out so that it can be printed again."""

from html import escape
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests import make

pytestmark = pytest.mark.portable

Headers = dict[str, str]
OWN = Path(__file__).parent / "pages" / "own-page.txt"
REAL = Path(__file__).parents[3] / "shared" / "data" / "seed-page.txt"
LABELS_ABOVE = ["in ,"]
LABELS_BELOW = ["What do you think?", "Subscribe", "Notify of", "guest", "{comments} Comments", "Inline Feedbacks"]
LABELS_BELOW += ["View all comments"]


def lines_of(path: Path) -> list[str]:
    """The page's lines of text, white space folded as a browser folds it."""
    return [" ".join(line.split()) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def enter(client: TestClient, editor: Headers, lines: list[str]) -> None:
    """What an editor does: a section with its notice, the article, and its two neighbours."""
    title, notice = lines[1], lines[2]
    end = lines.index("Report")
    older, newer = lines[-2:]
    section = make.section(client, editor, "Report")
    make.notice(client, editor, scope="section", target_id=section["id"], placement="both", text=notice)
    quoted = "<blockquote><p>{}</p></blockquote>"
    html = "".join(
        (quoted if line.startswith("“") else "<p>{}</p>").format(escape(line, quote=False)) for line in lines[3:end]
    )
    for at, (name, body) in enumerate([(older, "<p>Before.</p>"), (title, html), (newer, "<p>After.</p>")]):
        when = f"2016-12-1{at}T12:00:00Z"
        make.published(client, editor, name, section="report", published_at=when, body={"html": body})


def printed(client: TestClient, slug: str) -> list[str]:
    """What a front end prints that holds nothing but the labels."""
    article = make.ok(client.get(f"/v1/articles/{slug}?formats=text&include=neighbours"))
    sides = {
        side: [" ".join(n["text"].split()) for n in article["notices"] if n["placement"] in (side, "both")]
        for side in ("before", "after")
    }
    text = [" ".join(line.split()) for line in article["body"]["text"].splitlines() if line.strip()]
    labels = [label.format(comments=article["discussion"]["comments"]) for label in LABELS_BELOW]
    neighbours = [article["neighbours"][side]["title"] for side in ("previous", "next")]
    top = [*LABELS_ABOVE, article["title"], *sides["before"]]
    return [*top, *text, article["section"]["name"], *sides["after"], *labels, *neighbours]


@pytest.mark.parametrize("path", [path for path in (OWN, REAL) if path.exists()], ids=lambda path: path.stem)
def test_the_page_can_be_printed_again(client: TestClient, editor: Headers, path: Path) -> None:
    lines = lines_of(path)
    enter(client, editor, lines)
    found = make.ok(client.get("/v1/articles?section=report&sort=published_at&fields=slug"))["data"]
    assert printed(client, found[1]["slug"]) == lines

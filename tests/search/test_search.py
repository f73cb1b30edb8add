"""What the search finds, in which order, and that it is what readers may see."""

import html
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests import make

Headers = dict[str, str]


def titles(client: TestClient, q: str, **more: str) -> list[str]:
    """Titles of what is found."""
    answer = client.get("/v1/search", params={"q": q, "fields": "title", **more})
    return [row["title"] for row in make.ok(answer)["data"]]


def text(words: str) -> dict[str, Any]:
    """A body."""
    return {"html": f"<p>{html.escape(words)}</p>"}


def test_a_title_weighs_more_than_a_standfirst_and_that_more_than_a_text(client: TestClient, editor: Headers) -> None:
    make.published(client, editor, "In the text", body=text("Nothing of the ferry but this."))
    make.published(client, editor, "In the dek", dek="About a ferry", body=text("Nothing more of it than this."))
    make.published(client, editor, "The ferry", body=text("Nothing more of it than just this."))
    make.published(client, editor, "Elsewhere", body=text("Nothing."))
    assert titles(client, "ferry") == ["The ferry", "In the dek", "In the text"]


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("ferries harbour", ["Harbour"]),  # another form of the word
        ("FERRY", ["Ferry", "Harbour"]),
        ('"ferry at the harbour"', ["Harbour"]),
        ('"harbour ferry"', []),
        ("harb*", ["Harbour"]),
        ("ha*", []),
        ("ferry -harbour", ["Ferry"]),
        ('ferry -"the harbour"', ["Ferry"]),
        ("-harbour", []),
        ("elections", ["Élections"]),
        ("ÉLECTIONS", ["Élections"]),
        ("lodz", ["Élections"]),
        ("東京", ["東京都の橋"]),
        ("京都", ["東京都の橋"]),
        ("都", ["東京都の橋"]),
        ("東京都の橋", ["東京都の橋"]),
        ("東橋", []),
        ("iphone発売", ["東京都の橋"]),
        ("ﬁlm", ["Élections"]),
        ("l'etat", ["Élections"]),
        ("Москва", ["Москва"]),
        ("москвы", ["Москва"]),
        ("!!!", []),
        ('"', []),
    ],
)
def test_what_a_question_finds(client: TestClient, editor: Headers, q: str, found: list[str]) -> None:
    make.published(client, editor, "Ferry", body=text("It left in the morning."))
    make.published(client, editor, "Harbour", body=text("There is a ferry at the harbour."))
    make.published(client, editor, "Élections", language="fr", body=text("L’État, le film et Łódź."))
    make.published(client, editor, "東京都の橋", language="ja", body=text("iPhone発売。"))
    make.published(client, editor, "Москва", language="ru", body=text("Дождь."))
    assert sorted(titles(client, q)) == sorted(found)
    assert sorted(make.titles(client, f"q={q}")) == sorted(found)

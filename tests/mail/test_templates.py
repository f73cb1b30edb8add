"""Templates of the publication's own: they take the place of ours, and a broken one breaks its own mails alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateSyntaxError
from starlette.testclient import TestClient

from app.core.settings import Settings
from app.db import Database
from app.deliveries.lanes import DELIVERY, LANE
from app.mail.letters import load_templates
from tests.mail.post import Mailbox, table, text_of, work
from tests.make import Headers, ok, published, said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A publication's templates: one layout, one subject, one mail that cannot be written."""
    found = tmp_path / "own"
    found.mkdir()
    (found / "layout.html").write_text(
        "<html><body class=own>{% block body %}{% endblock %}{% block why %}{% endblock %}"
    )
    (found / "article.subject.txt").write_text("Neu: {{ article.title }}\n\n")
    (found / "comment.txt").write_text("{{ comment.no_such_thing }}")
    return found


@pytest.fixture
def settings(settings: Settings, folder: Path) -> Settings:
    """The same, with them."""
    return settings.model_copy(update={"templates_dir": folder})


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_ones_own_templates_and_a_broken_one(
    client: TestClient,
    db: Database,
    mailbox: Mailbox,
    editor: Headers,
    article: dict[str, Any],
    folder: Path,
    subscribed: Callable[..., dict[str, Any]],
) -> None:
    subscribed("ann@mail.example", "comments.all", article=article["id"])
    subscribed("ann@mail.example", "articles.new")
    one = said(client, article, "Nobody can be told of this.")
    published(client, editor, "<Rivers> & bridges")
    work(client)
    (told,) = mailbox.mails[2:]
    assert str(told["Subject"]) == "Neu: <Rivers> & bridges"
    assert "<body class=own>" in text_of(told, "html")
    assert "&lt;Rivers&gt; &amp; bridges" in text_of(told, "html"), "they are as safe as ours"
    assert "<Rivers> & bridges" in text_of(told)
    broken = [row for row in table(db, DELIVERY, "event", "state", "error", "attempts") if row[1] != "delivered"]
    assert broken == [(f"comment.published:{one['id']}", "waiting", "UndefinedError", 1)]
    assert set(table(db, LANE, "failures")) == {0}, "the mail server is not to blame"
    (folder / "comment.txt").write_text("{{ comment.text }}")
    assert ok(client.get(f"/v1/comments/{one['id']}"))["state"] == "published"


def test_what_no_template_can_be_is_said_at_the_start(tmp_path: Path) -> None:
    assert load_templates(tmp_path).get_template("digest.txt")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "digest.html").write_text("{% for one in %}")
    with pytest.raises(TemplateSyntaxError):
        load_templates(broken)

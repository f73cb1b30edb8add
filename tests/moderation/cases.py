"""Submissions as the judges see them."""

from dataclasses import replace
from typing import Any

from app.comments.moderation import Submission
from app.comments.rendering import render_markdown
from app.core.clock import now
from app.core.ids import new_id
from app.core.settings import Settings
from app.moderation.pipeline import AuthorHistory, ModerationContext
from app.moderation.text_analysis import Phrases

SETTINGS = Settings(_env_file=None)
STRANGER: dict[str, Any] = {"id": new_id(), "kind": "guest", "email": None, "confirmed_at": None, "approved": 0}


def submission(text: str = "Well said, all of it.", **fields: Any) -> Submission:
    """A guest's new comment."""
    body = render_markdown(text)
    made = Submission(
        comment_id=new_id(),
        article_id=new_id(),
        section_id=None,
        moderation="post",
        participant=STRANGER,
        kind="guest",
        name="Somebody",
        email=None,
        body=body,
        addresses=("a" * 64,),
        is_edit=False,
        must_wait=False,
        at=now(),
    )
    return replace(made, **fields)


def case(of: Submission | None = None, known: AuthorHistory | None = None, **fields: Any) -> ModerationContext:
    """The same before the stages, with settings and what is known of the author."""
    settings = SETTINGS.model_copy(update=fields.pop("settings", {}))
    made = ModerationContext(of or submission(), known or AuthorHistory(), settings, Phrases(), lambda: 0.5, None)
    return replace(made, **fields)

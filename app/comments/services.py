"""The services of routes that read and change comments."""

from dataclasses import dataclass

from app.articles.services import ArticleServices
from app.comments.moderation import CommentModeration, ModerationPipeline


@dataclass(frozen=True, kw_only=True)
class CommentServices(ArticleServices):
    """Adds the moderation pipeline, and the moderation rules for changing and removing comments."""

    pipeline: ModerationPipeline
    moderation: CommentModeration

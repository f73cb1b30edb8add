"""The services of routes that read and change comments."""

from dataclasses import dataclass

from app.articles.services import ArticleServices
from app.comments.schemas import CommentModeration, ModerationPipeline


@dataclass(frozen=True, kw_only=True)
class CommentServices(ArticleServices):
    """Adds the moderation pipeline, which comments pass before they are published, and what moderators do to them."""

    pipeline: ModerationPipeline
    moderation: CommentModeration

"""The services of routes that read and change articles."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

from fastapi import Request, Response

from app.articles.includes import Include
from app.articles.listing import SearchArticles
from app.articles.projection import IndexArticle
from app.articles.reading import EarlyAccess
from app.articles.rendering import AccessLog
from app.identity.schemas import Actor
from app.publication.services import PublicationServices


class SendFormat(Protocol):
    """Answers with an article in a format other than JSON; implemented by the room `feeds`."""

    def __call__(self, request: Request, ref: str, actor: Actor, /) -> Awaitable[Response]: ...


@dataclass(frozen=True, kw_only=True)
class ArticleServices(PublicationServices):
    """Adds what rooms above provide: search, includes, formats, early access and the access log."""

    index_article: IndexArticle
    search_articles: SearchArticles
    includes: Mapping[str, Include]
    formats: Mapping[str, SendFormat]
    early_access: EarlyAccess
    access_log: AccessLog

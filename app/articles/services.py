"""The services of routes that read and change articles."""

from dataclasses import dataclass

from app.articles.partners import AccessLog
from app.publication.services import PublicationServices


@dataclass(frozen=True, kw_only=True)
class ArticleServices(PublicationServices):
    """Adds the access log of partners."""

    access_log: AccessLog

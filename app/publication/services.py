"""The services of routes of terms, notices and pictures."""

from dataclasses import dataclass

from app.identity.services import IdentityServices
from app.publication.notice_targets import NoticeArticles
from app.publication.site import Site
from app.publication.storage import Storage


@dataclass(frozen=True, kw_only=True)
class PublicationServices(IdentityServices):
    """Adds the site, the store of media files, and the articles that notices stand with."""

    site: Site
    media: Storage
    notice_articles: NoticeArticles

"""The services of routes of terms, notices and pictures."""

from dataclasses import dataclass

from app.identity.services import IdentityServices
from app.publication.media_uses import MediaUses
from app.publication.notice_targets import NoticeArticles
from app.publication.rendition_files import RenditionMaker
from app.publication.site import Site
from app.publication.storage import Storage


@dataclass(frozen=True, kw_only=True)
class PublicationServices(IdentityServices):
    """Adds the site, the store of media files, what makes renditions, and the articles that notices stand with."""

    site: Site
    media: Storage
    renditions: RenditionMaker
    media_uses: MediaUses
    notice_articles: NoticeArticles

"""The sample publication: articles with pictures, a discussion, a front and menus, loaded through the API's actions."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import islice
from typing import NamedTuple, NotRequired, TypedDict, cast

from sqlmodel import Session, select

from app.articles import editing
from app.articles.corrections import add_correction
from app.articles.editorial_schemas import ArticleIn, ArticlePatch, CorrectionIn, RetractIn
from app.articles.publishing import publish_article, retract_article
from app.articles.reading import ArticlesWithNotices
from app.articles.tables import Article
from app.comments.moderation import PreparedText
from app.comments.posting import Poster, post_comment, render_text
from app.comments.schemas import CommentIn
from app.core.settings import Settings
from app.db.rows import JsonObject
from app.fronts.fronts import save_front
from app.fronts.schemas import FrontIn
from app.identity.participants import create_guest
from app.identity.schemas import ANONYMOUS, SYSTEM, Actor, Claims
from app.identity.secrets import Vault
from app.moderation.pipeline import ModerationPipeline
from app.publication import media_library, notices
from app.publication.schemas import AuthorIn, MediaIn, NoticeIn, SectionIn, SeriesIn, TagIn
from app.publication.site import Site
from app.publication.storage import open_storage
from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES, TAGS
from app.reactions.reactions import set_reaction, vote_on_comment
from app.reactions.schemas import Voter
from app.related.links import pin_articles
from app.related.schemas import PinsIn
from app.search.indexing import index_article
from app.site.profile import save_profile
from app.site.redirects import create_redirect
from app.site.schemas import RedirectIn, SiteIn

FOLDER = files("app") / "sample"
ARTICLE_MEMBERS = frozenset(ArticleIn.model_fields)
READERS = 15  # guests who vote and react; no number in the sample is higher


class Picture(NamedTuple):
    """A stored picture of the sample."""

    id: str
    key: str


class SampleComment(TypedDict):
    """A comment of the sample, with its replies."""

    by: str
    author: NotRequired[str]  # slug, if one of the publication's authors wrote it
    text: str
    on: NotRequired[JsonObject]  # the passage that it is about
    votes: NotRequired[int]
    down: NotRequired[int]
    replies: NotRequired[list["SampleComment"]]


class SampleArticle(TypedDict):
    """An article of the sample; its other members are those of `ArticleIn`, with names of files as pictures."""

    slug: str
    published_at: str | None
    markdown: str
    former_slug: NotRequired[str]
    corrections: NotRequired[list[JsonObject]]
    related: NotRequired[list[str]]
    retraction: NotRequired[str]
    reactions: NotRequired[dict[str, int]]
    comments: NotRequired[list[SampleComment]]


def load_sample(session: Session, settings: Settings) -> bool:
    """Load the sample publication; return False, changing nothing, if the store has articles."""
    if session.exec(select(Article.id).limit(1)).first() is not None:
        return False
    sample: dict[str, list[JsonObject]] = json.loads((FOLDER / "publication.json").read_text(encoding="utf-8"))
    pictures = _load_pictures(session, settings, sample["pictures"])
    _load_terms(session, sample, pictures)
    articles = [cast(SampleArticle, entry) for entry in (*sample["articles"], *sample["drafts"])]
    for article in articles:
        _load_article(session, article, pictures)
    discussion = Discussion(session, settings)
    for article in articles:
        _add_to_article(session, article)
        discussion.load(article)
    _load_site(session, settings, json.loads((FOLDER / "site.json").read_text(encoding="utf-8")), pictures)
    return True


def _load_pictures(session: Session, settings: Settings, entries: Sequence[JsonObject]) -> dict[str, Picture]:
    """Store the pictures and return them by the names of their files."""
    storage, pictures = open_storage(settings.media), {}
    for entry in entries:
        name = str(entry.pop("file"))
        upload = media_library.process_upload((FOLDER / name).read_bytes(), settings.max_media_size)
        media_library.store_files(storage, upload)
        picture_id = media_library.create_media(session, SYSTEM, upload, MediaIn.model_validate(entry))
        pictures[name] = Picture(picture_id, media_library.key_of(upload.picture))
    return pictures


def _name_picture(entry: JsonObject, pictures: Mapping[str, Picture], member: str = "image") -> JsonObject:
    """Return an entry with the id of its picture instead of the name of the file."""
    return {**entry, member: pictures[str(entry[member])].id} if entry.get(member) else entry


def _load_terms(session: Session, sample: Mapping[str, list[JsonObject]], pictures: Mapping[str, Picture]) -> None:
    for entry in sample["sections"]:
        SECTIONS.create(session, SYSTEM, SectionIn.model_validate(entry))
    for entry in sample["authors"]:
        AUTHORS.create(session, SYSTEM, AuthorIn.model_validate(_name_picture(entry, pictures)))
    for entry in sample["tags"]:
        TAGS.create(session, SYSTEM, TagIn.model_validate(entry))
    for entry in sample["series"]:
        SERIES.create(session, SYSTEM, SeriesIn.model_validate(entry))
    for entry in sample["notices"]:
        notices.create_notice(session, SYSTEM, ArticlesWithNotices(), NoticeIn.model_validate(entry))


def _load_article(session: Session, entry: SampleArticle, pictures: Mapping[str, Picture]) -> None:
    """Create an article and publish it if it has a date."""
    markdown = entry["markdown"]
    for name, picture in pictures.items():
        markdown = markdown.replace(f"media:{name}", f"/media/{picture.key}")
    members: JsonObject = {name: value for name, value in entry.items() if name in ARTICLE_MEMBERS}
    data = ArticleIn.model_validate({**_name_picture(members, pictures), "body": {"markdown": markdown}})
    sizes = media_library.find_sizes(session.connection(), [picture.key for picture in pictures.values()])
    text = editing.add_sizes(editing.convert_body(data.body), sizes)
    if former_slug := entry.get("former_slug"):
        data = data.model_copy(update={"slug": former_slug})
    article_id = editing.create_article(session, SYSTEM, index_article, data, text=text)
    if entry["published_at"]:
        publish_article(session, SYSTEM, index_article, article_id, None)
    if former_slug:
        renamed = ArticlePatch(slug=entry["slug"])
        editing.update_article(session, SYSTEM, index_article, article_id, renamed, None)


def _add_to_article(session: Session, entry: SampleArticle) -> None:
    """Add what comes after publication: corrections, related articles, a retraction."""
    slug = entry["slug"]
    for correction in entry.get("corrections", []):
        add_correction(session, SYSTEM, index_article, slug, CorrectionIn.model_validate(correction), None)
    if "related" in entry:
        pin_articles(session, SYSTEM, slug, PinsIn(ids=entry["related"]), None)
    if "retraction" in entry:
        retract_article(session, SYSTEM, index_article, slug, RetractIn(reason=entry["retraction"]), None)


class Discussion:
    """Loads comments, votes and reactions of invented readers, and of authors who answer them."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session, self._settings = session, settings
        self._vault = Vault()
        # By default nothing of the sample waits for a moderator, which settings may demand of new authors.
        self._pipeline = ModerationPipeline(Settings.model_construct())
        self._vault.fill(session)
        self._guests: dict[str, Actor] = {}
        self._readers = [self._make_guest() for _ in range(READERS)]

    def load(self, article: SampleArticle) -> None:
        """Load the reactions to an article and its comments."""
        slug = article["slug"]
        voters = iter(self._readers)
        names = self._settings.reactions
        for value, number in article.get("reactions", {}).items():
            for reader in islice(voters, number if value in names else 0):
                set_reaction(self._session, self._as_voter(reader), slug, value, names)
        for comment in article.get("comments", []):
            self._load_comment(slug, comment, None)

    def _load_comment(self, slug: str, entry: SampleComment, parent_id: str | None) -> None:
        data = CommentIn.model_validate(
            {
                "text": entry["text"],
                "author": {"name": entry["by"]},
                **({"anchor": entry["on"]} if "on" in entry else {}),
                **({"parent_id": parent_id} if parent_id else {}),
            }
        )
        actor = self._find_author(entry)
        poster = Poster(actor, self._vault, self._pipeline, self._settings.site_name, (), None, None)
        prepared = PreparedText(render_text(data.text))
        posted = post_comment(self._session, poster, slug, data, prepared)
        ups, downs = entry.get("votes", 0), entry.get("down", 0)
        for number, reader in enumerate(self._readers[: ups + downs]):
            vote_on_comment(self._session, self._as_voter(reader), posted.id, 1 if number < ups else -1)
        for reply in entry.get("replies", []):
            self._load_comment(slug, reply, posted.id)

    def _find_author(self, entry: SampleComment) -> Actor:
        """Return who wrote a comment: one of the publication's authors, or the guest of that name."""
        if "author" in entry:
            claims = Claims(subject=f"sample|{entry['author']}", name=entry["by"], author=entry["author"])
            return Actor("reader", reader=claims)
        name = entry["by"]
        if name not in self._guests:
            self._guests[name] = self._make_guest()
        return self._guests[name]

    def _make_guest(self) -> Actor:
        _, row = create_guest(self._session, ANONYMOUS, self._vault)
        return Actor("guest", id=row["id"])

    def _as_voter(self, actor: Actor) -> Voter:
        return Voter(actor, self._vault, self._pipeline, ())


def _load_site(
    session: Session, settings: Settings, entry: dict[str, JsonObject], pictures: Mapping[str, Picture]
) -> None:
    """Load the front, the profile with its menus, and redirects."""
    front = FrontIn.model_validate(entry["front"])
    save_front(session, SYSTEM, "home", front, None, new=True)
    profile = _name_picture(_name_picture(entry["profile"], pictures, "logo"), pictures, "icon")
    save_profile(session, SYSTEM, SiteIn.model_validate(profile), None)
    site = Site.from_settings(settings)
    for redirect in entry["redirects"]:
        create_redirect(session, SYSTEM, RedirectIn.model_validate(redirect), site)

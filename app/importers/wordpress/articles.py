"""Importing posts and pages as articles."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import approval, editing, publishing
from app.articles.addresses import RESERVED_SLUGS, add_former_address
from app.articles.discussions import close_discussion
from app.articles.editorial_schemas import ArticleIn, ArticlePatch
from app.articles.media_addresses import fill_sizes, find_unsized_files
from app.articles.projection import get_newest_revision
from app.articles.revisions import find_newest_blocks
from app.articles.tables import Address, Article
from app.blocks.context import Dropped
from app.blocks.convert import Body, body_from_blocks, body_from_html
from app.core.clock import now
from app.db.columns import table_of
from app.db.rows import JsonObject
from app.importers.engine import IMPORT
from app.importers.ledger import Ledger
from app.importers.wordpress.plan import Plan
from app.importers.wordpress.survey import Survey
from app.publication.media_library import find_sizes
from app.publication.tables import Author, Media, Section, Tag
from app.search.indexing import index_article
from app.text.inputs import slugify

ARTICLE, ADDRESS = table_of(Article), table_of(Address)
_SELECT_BY_SLUG = sa.select(ARTICLE.c.id).where(ARTICLE.c.slug == sa.bindparam("slug"))
_SELECT_HOLDERS = _SELECT_BY_SLUG.union_all(
    sa.select(ADDRESS.c.article_id).where(ADDRESS.c.address == sa.bindparam("slug"))
)


def _describe(loss: Dropped) -> str:
    """Describe what was removed from a text, and near which words."""
    where = f", near {loss.near!r}" if loss.near else ""
    return f"{loss.count:,} × {loss.element} left out ({loss.reason.replace('_', ' ')}){where}"


class ArticleEntry:
    """A post or page to import."""

    kind, table = "post", ARTICLE

    def __init__(self, plan: Plan, ledger: Ledger, survey: Survey) -> None:
        self.plan, self._ledger, self._survey = plan, ledger, survey
        self.row = {"article": "posts", "page": "pages"}[plan.type]
        self.key = self.label = plan.key
        self.title, self.notes = plan.title, list(plan.notes)
        self._data: ArticlePatch
        self._text: Body

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the plan."""
        return self.plan.fingerprint

    def find_existing(self, _connection: sa.Connection) -> str | None:
        """Return None: an article with the same slug that was not imported is another article."""
        return None

    def prepare(self, connection: sa.Connection, local_id: str | None) -> None:
        """Convert the body, choose the slug and check the rest."""
        plan = self.plan
        newest = find_newest_blocks(connection, local_id) if local_id else None
        if plan.state == "published" and plan.at is not None and self._date() is None:
            self.notes.append("its date is in the future; that of the import is used")
        text = body_from_html(plan.html, newest.blocks if newest else ())
        sizes = find_sizes(connection, find_unsized_files(text.blocks))
        self._text = body_from_blocks(fill_sizes(text.blocks, sizes), text.dropped) if sizes else text
        self.notes += [_describe(loss) for loss in text.dropped]
        fields = {name: getattr(plan, name) for name in ("title", "dek", "type", "language", "featured")}
        fields["slug"] = self._slug(connection, local_id)
        fields["custom"] = {"wordpress": plan.custom.get("wordpress")}
        if local_id is None:
            self._data = ArticleIn.model_validate(fields)
        else:
            self._data = ArticlePatch.model_validate({**fields, "body": {"html": ""}})

    def _slug(self, connection: sa.Connection, local_id: str | None) -> str:
        """Choose the slug: that of the file if it is free, else the article's current one, or a free variant."""
        slug, key = self.plan.slug, self.plan.key
        own = connection.execute(sa.select(ARTICLE.c.slug).where(ARTICLE.c.id == local_id)).scalar_one_or_none()
        if slug and self._survey.slug_owner(slug) == key and self._is_free(connection, slug, local_id):
            chosen = slug
        elif own is not None:
            chosen = own
        else:
            original = self.plan.original_slug
            base = slug or slugify(original if original and "%" not in original else self.title)
            chosen = next(
                variant
                for variant in self._survey.variants(base)
                if self._survey.slug_owner(variant) is None and self._is_free(connection, variant, local_id)
            )
            if slug:
                self.notes.append(f"its slug {slug} is taken; its new slug is {chosen}")
            elif original:
                self.notes.append(f"its slug is invalid; its new slug is {chosen}, to which the old one redirects")
        self._survey.reserve_slug(chosen, key)
        return chosen

    def _is_free(self, connection: sa.Connection, slug: str, local_id: str | None) -> bool:
        if slug in RESERVED_SLUGS or self._survey.is_reserved(slug, self.plan.key):
            return False
        return all(row.id == local_id for row in connection.execute(_SELECT_HOLDERS, {"slug": slug}))

    def create(self, session: Session) -> str:
        """Create the article and bring it into its state."""
        data, modified_at = self._resolve_references(session), self.plan.modified_at
        assert isinstance(data, ArticleIn)
        updated_at = min(modified_at, now()) if modified_at else None
        article_id = editing.create_article(
            session, IMPORT, index_article, data, text=self._text, updated_at=updated_at
        )
        self._settle(session, article_id)
        return article_id

    def update(self, session: Session, local_id: str) -> None:
        """Save the changes as a revision, and publish it if the article is public."""
        if self.plan.state != "published":
            self._withdraw(session, local_id)  # first, so that an unpublished post does not change publicly
        editing.update_article(
            session, IMPORT, index_article, local_id, self._resolve_references(session), None, self._text
        )
        self._settle(session, local_id)

    def _resolve_references(self, session: Session) -> ArticlePatch:
        """Return the data with the ids of the terms, authors and pictures that the plan names by key."""
        plan, find, connection = self.plan, self._ledger.find_local_id, session.connection()
        tags = [find(connection, "tag", key, table_of(Tag)) for key in plan.tags]
        authors = [find(connection, "author", key, table_of(Author)) for key in plan.authors]
        values: JsonObject = {
            "section": plan.section and find(connection, "category", plan.section, table_of(Section)),
            "authors": [author for author in authors if author],
            "tags": [*filter(None, tags), *plan.more_tags],
            "image": plan.image and find(connection, "attachment", plan.image, table_of(Media)),
        }
        if (at := self._date()) is not None:
            values["published_at"] = at
        return self._data.model_copy(update=values)

    def _date(self) -> datetime | None:
        """Return the date of publication, unless it is in the future."""
        return self.plan.at if self.plan.at is not None and self.plan.at <= now() else None

    def _withdraw(self, session: Session, article_id: str) -> None:
        state = session.get_one(Article, article_id).state
        if state == "published":
            publishing.unpublish_article(session, IMPORT, index_article, article_id, None)
        elif state == "scheduled" and self.plan.state == "draft":
            publishing.unschedule_article(session, IMPORT, index_article, article_id, None)

    def _may_publish(self, session: Session, article: Article) -> bool:
        """Whether the newest text may become public where it belongs, and where readers see the article now."""
        newest = get_newest_revision(session, article)
        if article.state == "published" and article.published_revision == newest.n:
            return True  # it was published already
        sections = {newest.section_id, article.section_id} if article.public else {newest.section_id}
        return approval.may_become_public(session, article, newest.n, sections)

    def _submit(self, session: Session, article: Article) -> None:
        """Submit the newest text for approval instead of publishing it; an import approves nothing."""
        if (article.approval, article.approval_revision) != ("submitted", article.latest_revision):
            approval.add_step(session, IMPORT, article, article.latest_revision, "submitted", None)
        self.notes.append("not published, but submitted: its section requires approval")

    def _settle(self, session: Session, article_id: str) -> None:
        """Bring the article into its state, close its discussion if needed, and add its former addresses."""
        plan, article = self.plan, session.get_one(Article, article_id)
        is_out = plan.state == "published" or (plan.state == "scheduled" and self._date() is not None)
        if plan.state != "draft" and not self._may_publish(session, article):
            self._submit(session, article)
        elif is_out:
            publishing.publish_article(session, IMPORT, index_article, article_id, None)
        elif plan.state == "scheduled" and plan.at is not None:
            scheduled = (article.scheduled_at, article.scheduled_revision)
            if scheduled != (plan.at, article.latest_revision):
                publishing.schedule_article(session, IMPORT, index_article, article_id, plan.at, None)
        if plan.is_closed:
            close_discussion(session, article_id)
        for address in plan.addresses:
            if address.startswith("/") or session.execute(_SELECT_BY_SLUG, {"slug": address}).first() is None:
                add_former_address(session, article_id, address)

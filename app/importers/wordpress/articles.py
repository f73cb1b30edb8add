"""Posts and pages on their way into the store."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.articles import editing, publishing
from app.articles.addresses import RESERVED_SLUGS, add_former_address
from app.articles.discussions import close_discussion
from app.articles.editorial_schemas import ArticleIn, ArticlePatch
from app.articles.media_addresses import fill_sizes, find_unsized_files
from app.articles.revisions import find_newest_blocks
from app.articles.tables import Address, Article
from app.blocks import Body, Dropped, body_from_blocks, body_from_html
from app.core.clock import now
from app.db.columns import table_of
from app.importers.engine import IMPORT
from app.importers.ledger import Ledger
from app.importers.wordpress.plan import Plan
from app.importers.wordpress.survey import Survey
from app.publication.media_library import find_sizes
from app.publication.tables import Author, Media, Section, Tag
from app.search.indexing import index_article
from app.text.inputs import slugify

ARTICLE, ADDRESS = table_of(Article), table_of(Address)
_SLUG = sa.select(ARTICLE.c.id).where(ARTICLE.c.slug == sa.bindparam("slug"))
_HOLDERS = _SLUG.union_all(sa.select(ADDRESS.c.article_id).where(ADDRESS.c.address == sa.bindparam("slug")))


def _describe(loss: Dropped) -> str:
    """Say what a text lost, and near which words."""
    where = f", near {loss.near!r}" if loss.near else ""
    return f"{loss.count:,} × {loss.element} left out ({loss.reason.replace('_', ' ')}){where}"


class ArticleEntry:
    """A post or page with what it becomes."""

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
        """Of the whole plan."""
        return self.plan.fingerprint

    def existing(self, _connection: sa.Connection) -> str | None:
        """Nothing: an article of the same slug that was written here is another article."""
        return None

    def prepare(self, connection: sa.Connection, local_id: str | None) -> None:
        """Convert the body, choose the slug and check the rest."""
        plan = self.plan
        newest = find_newest_blocks(connection, local_id) if local_id else None
        if plan.state == "published" and plan.at is not None and self._date() is None:
            self.notes.append("its date is still to come; that of the import is taken")
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
        """The slug of the file if nobody else has it; else the one that the article has, or a free one like it."""
        wanted, key = self.plan.slug, self.plan.key
        own = connection.execute(sa.select(ARTICLE.c.slug).where(ARTICLE.c.id == local_id)).scalar_one_or_none()
        if wanted and self._survey.owner(wanted) == key and self._is_free(connection, wanted, local_id):
            chosen = wanted
        elif own is not None:
            chosen = own
        else:
            there = self.plan.slug_there
            variants = self._survey.variants(wanted or slugify(there if there and "%" not in there else self.title))
            chosen = next(
                slug
                for slug in variants
                if self._survey.owner(slug) is None and self._is_free(connection, slug, local_id)
            )
            if wanted:
                self.notes.append(f"another has its slug {wanted}; it is {chosen} here")
            elif there:
                self.notes.append(f"its slug cannot be one here; it is {chosen}, and the old one leads there")
        self._survey.give(chosen, key)
        return chosen

    def _is_free(self, connection: sa.Connection, slug: str, local_id: str | None) -> bool:
        if slug in RESERVED_SLUGS or self._survey.is_given(slug, self.plan.key):
            return False
        return all(row.id == local_id for row in connection.execute(_HOLDERS, {"slug": slug}))

    def create(self, session: Session) -> str:
        """Make the article and bring it into its state."""
        data, modified_at = self._named(session), self.plan.modified_at
        assert isinstance(data, ArticleIn)
        updated_at = min(modified_at, now()) if modified_at else None
        article_id = editing.create_article(
            session, IMPORT, index_article, data, text=self._text, updated_at=updated_at
        )
        self._settle(session, article_id)
        return article_id

    def update(self, session: Session, local_id: str) -> None:
        """Save what is new as another revision, and show it if the article is public."""
        if self.plan.state != "published":
            self._withdraw(session, local_id)  # first: what went private there is not changed in public
        editing.update_article(session, IMPORT, index_article, local_id, self._named(session), None, self._text)
        self._settle(session, local_id)

    def _named(self, session: Session) -> ArticlePatch:
        """The data with the ids of what the plan names by key."""
        plan, found, connection = self.plan, self._ledger.local, session.connection()
        tags = [found(connection, "tag", key, table_of(Tag)) for key in plan.tags]
        authors = [found(connection, "author", key, table_of(Author)) for key in plan.authors]
        values: dict[str, Any] = {
            "section": plan.section and found(connection, "category", plan.section, table_of(Section)),
            "authors": [author for author in authors if author],
            "tags": [*filter(None, tags), *plan.more_tags],
            "image": plan.image and found(connection, "attachment", plan.image, table_of(Media)),
        }
        if (at := self._date()) is not None:
            values["published_at"] = at
        return self._data.model_copy(update=values)

    def _date(self) -> datetime | None:
        """The date of publication, unless it is still to come."""
        return self.plan.at if self.plan.at is not None and self.plan.at <= now() else None

    def _withdraw(self, session: Session, article_id: str) -> None:
        state = session.get_one(Article, article_id).state
        if state == "published":
            publishing.unpublish_article(session, IMPORT, index_article, article_id, None)
        elif state == "scheduled" and self.plan.state == "draft":
            publishing.unschedule_article(session, IMPORT, index_article, article_id, None)

    def _settle(self, session: Session, article_id: str) -> None:
        """Bring the article into its state, close what took no comments, and let its old addresses lead to it."""
        plan, article = self.plan, session.get_one(Article, article_id)
        if plan.state == "published" or (plan.state == "scheduled" and self._date() is not None):
            publishing.publish_article(session, IMPORT, index_article, article_id, None)
        elif plan.state == "scheduled" and plan.at is not None:
            stands = (article.scheduled_at, article.scheduled_revision)
            if stands != (plan.at, article.latest_revision):
                publishing.schedule_article(session, IMPORT, index_article, article_id, plan.at, None)
        if plan.is_closed:
            close_discussion(session, article_id)
        for address in plan.addresses:
            is_taken = not address.startswith("/") and session.connection().execute(_SLUG, {"slug": address}).first()
            if not is_taken:
                add_former_address(session, article_id, address)

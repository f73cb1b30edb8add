"""Purging: erasing an article from all rooms in one transaction."""

import sqlalchemy as sa
from sqlmodel import Session

from app.anchors.anchors import ANCHOR
from app.articles import discussions as discussion
from app.articles.editing import erase_article
from app.articles.projection import WrongState, lock_article
from app.comments.reading import C
from app.db.columns import table_of
from app.deliveries.outbox import blank_topic
from app.events.log import blank_events
from app.identity import audit
from app.identity.idempotency import delete_answers_naming
from app.identity.schemas import Actor
from app.moderation.forgetting import erase_article as forget_cases
from app.ops.schemas import PurgeIn
from app.partners.partners import delete_access_log
from app.publication import notices
from app.publication.tables import Notice
from app.publication.terms import require_all_sections
from app.related.linking import erase_text as forget_links
from app.search.indexing import purge_article as forget_words
from app.subscriptions.subscriptions import end_for_article as forget_subscriptions
from app.websub.hub import forget_article_topics as forget_topics

NOTICE = table_of(Notice)


def purge_article(session: Session, actor: Actor, ref: str, data: PurgeIn, versions: frozenset[int] | None) -> None:
    """Erase an article that is not public, with its revisions and discussion. Followers get its id.

    Rows with a foreign key to it are deleted with it; the functions called here erase texts and addresses without one.
    All of it is one transaction, which blocks other writers on SQLite.
    """
    require_all_sections(actor, "admin")
    article = lock_article(session, actor, ref, versions, [], scope="admin")
    if article.public:
        raise WrongState("This article is public: unpublish or retract it before purging it.")
    article_id = article.id
    ids = [article_id, *_ids_beside(session, article_id)]
    forget_cases(session, article_id)
    forget_links(session, article_id)
    forget_words(session, article)
    forget_subscriptions(session, article_id)
    forget_topics(session, article_id)
    delete_access_log(session, article_id)
    notices.delete_notices_of(session, "article", article_id)
    discussion.delete_settings(session, article_id)
    erase_article(session, article)
    blank_events(session, ids)
    blank_topic(session, article_id)
    delete_answers_naming(session, [article_id])
    audit.blank_details(session, ids)
    audit.record_action(session, actor, "article.purge", "article", article_id, {"reason": data.reason})


def _ids_beside(session: Session, article_id: str) -> list[str]:
    """Return the ids of comments, anchors and notices that are deleted with the article, and which the logs name."""
    ids: list[str] = []
    for query in (
        sa.select(C.c.id).where(C.c.article_id == article_id),
        sa.select(ANCHOR.c.id).where(ANCHOR.c.article_id == article_id),
        sa.select(NOTICE.c.id).where(NOTICE.c.scope == "article", NOTICE.c.target_id == article_id),
    ):
        ids += session.execute(query).scalars()
    return ids

"""What all of moderation does together: letting comments go, and forgetting people."""

from sqlmodel import Session

from app.moderation import appeals, bans, learning, log, queue, reports


def withdrawn(session: Session, comment_ids: list[str]) -> None:
    """Settle what waits about comments that their authors took back, and drop their own words with them."""
    reports.settle(session, comment_ids)
    appeals.settle(session, comment_ids)
    appeals.forget(session, comment_ids)
    learning.forget(session, comment_ids)
    queue.forget(session, comment_ids)


def forget(session: Session, participant_ids: list[str], email: str | None, comment_ids: list[str]) -> None:
    """Blank what moderation holds of a person: their reports, words about their comments, their appeals and bans."""
    withdrawn(session, comment_ids)
    reports.forget(session, participant_ids, email, comment_ids)
    log.forget(session, comment_ids)
    bans.forget(session, participant_ids, comment_ids)


def forget_article(session: Session, article_id: str) -> None:
    """Blank the words about an article that is purged and about its comments; what was decided stays."""
    log.forget_article(session, article_id)

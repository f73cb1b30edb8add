"""The plain peer: a list, an article, its comments and a post, as first written with FastAPI and SQLModel."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import sqlalchemy as sa
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Query
from sqlalchemy.orm import registry
from sqlmodel import Field, Session, SQLModel, create_engine, select

MAX_LINKS = 2


class Base(SQLModel, registry=registry()):
    """Keeps these tables apart from those of the app."""


class ArticleSummary(Base):
    slug: str = Field(unique=True)
    title: str
    dek: str
    excerpt: str
    section: str = Field(index=True)
    author: str
    published_at: datetime = Field(index=True)
    comments: int = 0


class ArticleOut(ArticleSummary):
    html: str


class Article(ArticleOut, table=True):
    id: int | None = Field(default=None, primary_key=True)


class CommentIn(Base):
    parent_id: int | None = Field(default=None, foreign_key="comment.id")
    author: str = Field(min_length=1, max_length=100)
    text: str = Field(min_length=1, max_length=10_000)


class CommentOut(CommentIn):
    id: int
    state: str
    created_at: datetime


class Comment(CommentIn, table=True):
    id: int | None = Field(default=None, primary_key=True)
    article_id: int = Field(foreign_key="article.id", index=True)
    state: str
    created_at: datetime


class Phrase(Base, table=True):
    text: str = Field(primary_key=True)


def open_engine(url: str) -> sa.Engine:
    """Open a SQLite file, and create missing tables."""
    # With fewer connections than requests, requests that hold one and those that wait for one block each other.
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 30}, pool_size=100)

    @sa.event.listens_for(engine, "connect")
    def set_pragmas(connection, _record):  # type: ignore[no-untyped-def]
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    Base.metadata.create_all(engine)
    return engine


def make_app(engine: sa.Engine) -> FastAPI:
    """Make the app."""
    app = FastAPI()

    def open_session() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    Opened = Annotated[Session, Depends(open_session)]

    def get_article_or_404(session: Session, slug: str) -> Article:
        article = session.exec(select(Article).where(Article.slug == slug)).first()
        if article is None:
            raise HTTPException(404, "Not found")
        return article

    @app.get("/articles", response_model=list[ArticleSummary])
    def list_articles(session: Opened, offset: int = 0, limit: Annotated[int, Query(le=100)] = 20):  # type: ignore[no-untyped-def]
        return session.exec(select(Article).order_by(sa.desc("published_at")).offset(offset).limit(limit)).all()

    @app.get("/articles/{slug}", response_model=ArticleOut)
    def get_article(session: Opened, slug: str):  # type: ignore[no-untyped-def]
        return get_article_or_404(session, slug)

    @app.get("/articles/{slug}/comments", response_model=list[CommentOut])
    def list_comments(session: Opened, slug: str, offset: int = 0, limit: Annotated[int, Query(le=100)] = 20):  # type: ignore[no-untyped-def]
        article = get_article_or_404(session, slug)
        comments = select(Comment).where(Comment.article_id == article.id, Comment.state == "published")
        return session.exec(comments.order_by(sa.desc(Comment.id)).offset(offset).limit(limit)).all()

    @app.post("/articles/{slug}/comments", response_model=CommentOut, status_code=201)
    def post_comment(session: Opened, slug: str, body: CommentIn):  # type: ignore[no-untyped-def]
        article = get_article_or_404(session, slug)
        if body.parent_id is not None and session.get(Comment, body.parent_id) is None:
            raise HTTPException(422, "There is no such comment")
        phrases = session.exec(select(Phrase.text)).all()
        is_held = body.text.count("://") > MAX_LINKS or any(phrase in body.text for phrase in phrases)
        state = "pending" if is_held else "published"
        values = body.model_dump()
        comment = Comment(**values, article_id=article.id, state=state, created_at=datetime.now(UTC))
        session.add(comment)
        if state == "published":
            article.comments = Article.comments + 1
            session.add(article)
        session.commit()
        session.refresh(comment)
        return comment

    return app


def main(url: str, port: str) -> None:
    """Serve a SQLite file until SIGTERM."""
    uvicorn.run(make_app(open_engine(url)), port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])

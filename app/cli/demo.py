"""`broadsheet demo`: a sample publication with an API key and commands to try."""

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session, select

from app.cli.common import open_store, say
from app.core.settings import Settings
from app.db.rows import JsonObject

KEY_FILE = "editor.key"
SCOPES = ["content:read", "content:write", "content:publish", "comments:moderate"]


def demo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
) -> None:
    """Load a sample publication into an empty store, print commands to try, and serve it."""
    from app.cli.serve import serve
    from app.db import migrations

    settings = Settings()
    migrations.upgrade(settings.direct_database)
    with open_store(settings) as db, db.transaction() as session:
        if load_sample(session):
            say("Loaded the sample publication into the empty store.")
        key = editor_key(session, settings.data_dir / KEY_FILE)
    address = f"http://{'localhost' if host in {'127.0.0.1', '0.0.0.0', '::'} else host}:{port}"  # noqa: S104
    typer.echo(
        f"""
Broadsheet is at {address}, its documentation at {address}/docs
An editor's key, also in {settings.data_dir / KEY_FILE}:

    {key}

Try:

    curl '{address}/v1/articles?fields=title,section.name'
    curl '{address}/v1/articles/in-praise-of-the-slow-bridge?formats=text&include=neighbours'
    curl '{address}/v1/articles' -H 'Authorization: Bearer {key}' --json '{{"title": "Hello, world"}}'
"""
    )
    if not settings.api_url:  # feeds and the WebSub hub contain it
        os.environ["BROADSHEET_API_URL"] = address
    if "site_url" not in settings.model_fields_set:  # URLs of articles and links in mails contain it
        os.environ["BROADSHEET_SITE_URL"] = address
    serve(host=host, port=port)


def editor_key(session: Session, path: Path) -> str:
    """Return the API key in a file that only its owner can read; create one if there is none or it does not work."""
    from app.identity import keys
    from app.identity.schemas import SYSTEM
    from app.identity.tables import ApiKey
    from app.identity.tokens import hash_token

    stored = path.read_text().strip() if path.exists() else ""
    row = session.exec(select(ApiKey).where(ApiKey.hash == hash_token(stored))).first()
    if row is not None and row.revoked_at is None and set(SCOPES) <= set(row.scopes):
        return stored
    key = keys.create_api_key(session, SYSTEM, "demo editor", SCOPES)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{key}\n")
    return key


def load_sample(session: Session) -> bool:
    """Load the sample publication through the actions of the API; return False if the store has articles."""
    from app.articles import editing
    from app.articles.editorial_schemas import ArticleIn
    from app.articles.publishing import publish_article
    from app.articles.reading import ArticlesWithNotices
    from app.articles.tables import Article
    from app.identity.schemas import SYSTEM
    from app.publication import notices
    from app.publication.schemas import AuthorIn, NoticeIn, SectionIn, SeriesIn
    from app.publication.taxonomies import AUTHORS, SECTIONS, SERIES
    from app.search.indexing import index_article

    if session.exec(select(Article.id).limit(1)).first() is not None:
        return False
    sample: dict[str, list[JsonObject]] = json.loads(
        (files("app") / "sample" / "publication.json").read_text(encoding="utf-8")
    )
    for entry in sample["sections"]:
        SECTIONS.create(session, SYSTEM, SectionIn.model_validate(entry))
    for entry in sample["authors"]:
        AUTHORS.create(session, SYSTEM, AuthorIn.model_validate(entry))
    for entry in sample["series"]:
        SERIES.create(session, SYSTEM, SeriesIn.model_validate(entry))
    for entry in sample["notices"]:
        notices.create_notice(session, SYSTEM, ArticlesWithNotices(), NoticeIn.model_validate(entry))
    for entry in [*sample["articles"], *sample["drafts"]]:
        body = {"markdown": entry.pop("markdown")}
        article_id = editing.create_article(
            session, SYSTEM, index_article, ArticleIn.model_validate({**entry, "body": body})
        )
        if entry["published_at"]:
            publish_article(session, SYSTEM, index_article, article_id, None)
    return True

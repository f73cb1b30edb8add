"""`broadsheet demo`: a sample publication with an API key and commands to try."""

import os
from pathlib import Path
from typing import Annotated

import typer
from sqlmodel import Session, select

from app.cli.common import open_store, say
from app.core.settings import Settings

KEY_FILE = "editor.key"
SCOPES = ["content:read", "content:write", "content:approve", "content:publish", "comments:moderate"]


def demo(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
) -> None:
    """Load a sample publication into an empty store, print commands to try, and serve it.

    From a source tree the next port serves `examples/desk`, a desk for editors and moderators.
    """
    from app.cli import desk
    from app.cli.sample import load_sample
    from app.cli.serve import serve
    from app.db import migrations

    settings = Settings()
    migrations.upgrade(settings.direct_database)
    with open_store(settings) as db, db.transaction() as session:
        if load_sample(session, settings):
            say("Loaded the sample publication into the empty store.")
        key = editor_key(session, settings.data_dir / KEY_FILE)
        owner = invite_owner(session)
    name = "localhost" if host in {"127.0.0.1", "0.0.0.0", "::"} else host  # noqa: S104
    address, desk_address = f"http://{name}:{port}", f"http://{name}:{port + 1}"
    about_desk, page = f"No desk is served on port {port + 1}", settings.invitation_page
    if desk.start_server(host, port + 1, address) is not None:
        about_desk = f"A desk for editors and moderators is at {desk_address}"
        page = settings.invitation_url or f"{desk_address}/#/invitation/"
        os.environ["BROADSHEET_INVITATION_URL"] = page  # passkeys are bound to its host
        os.environ["BROADSHEET_FRONTEND_ORIGINS"] = ",".join(dict.fromkeys([*settings.frontend_origins, desk_address]))
    typer.echo(
        f"""
Broadsheet is at {address}, its documentation at {address}/docs
{about_desk}
An editor's key, also in {settings.data_dir / KEY_FILE}:

    {key}

Try:

    curl '{address}/v1/articles?fields=title,section.name'
    curl '{address}/v1/articles/in-praise-of-the-slow-bridge?formats=text&include=neighbours'
    curl '{address}/v1/articles' -H 'Authorization: Bearer {key}' --json '{{"title": "Hello, world"}}'
{about_owner(owner, page, address)}"""
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


def invite_owner(session: Session) -> str | None:
    """Return the token of an invitation for the owner, with the role admin; None once there are other people.

    It is made again at each start until somebody has accepted it.
    """
    from app.identity.schemas import SYSTEM
    from app.identity.secrets import Vault
    from app.people.invitations import create_invitation
    from app.people.people import create_owner

    owner_id, vault = create_owner(session, SYSTEM), Vault()
    if owner_id is None:
        return None
    vault.fill(session)
    return create_invitation(session, SYSTEM, vault, None, owner_id).token


def about_owner(token: str | None, page: str, address: str) -> str:
    """Return how to accept the owner's invitation; nothing without one."""
    if token is None:
        return ""
    return f"""
Nobody can sign in yet. This invitation makes you the owner; it is good for once, within 7 days:

    {page}{token}

or without a page:

    curl '{address}/v1/invitations/accept' --json '{{"token": "{token}",
      "name": "Your name", "email": "you@example.org", "password": "at least 12 characters"}}'
"""

"""A mail server of the test on the loopback, and all that the worker and the courier have to do, done at once."""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import sqlalchemy as sa
from aiosmtpd.smtp import SMTP
from sqlmodel import SQLModel
from starlette.testclient import TestClient

from app.db import Database

Headers = dict[str, str]
LINK = re.compile(r"https?://[^\s\"<>]+")


class Mailbox:
    """What a mail server took, and what it answers: `refuse` maps an address to the reply for its RCPT."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.refuse: dict[str, str] = {}
        self.content = "250 taken"
        self.sender = "250 ok"
        self.sessions = 0

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]) -> Any:
        self.sessions += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.sender.startswith("2"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.sender

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.content.startswith("2"):
            self.raw.append(envelope.content)
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.content

    def to(self, address: str) -> list[EmailMessage]:
        """The mails to an address, in their order."""
        return [mail for mail in self.mails if mail["To"].addresses[0].addr_spec == address]


@contextmanager
def serving(mailbox: Mailbox, ssl: Any = None, **options: Any) -> Iterator[int]:
    """A running SMTP server; its port. `ssl` is a context for TLS from the first byte."""
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), list[int]()

    async def main() -> None:
        def protocol() -> SMTP:
            return SMTP(mailbox, hostname="mail.example", loop=loop, **options)

        server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=ssl)
        ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def run() -> None:
        loop.run_until_complete(main())
        loop.close()

    stop = asyncio.Event()
    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def work(client: TestClient) -> None:
    """Drain the log, run what is due and send what waits, until nothing is left."""
    services = client.app.state.services  # type: ignore[attr-defined]

    async def all_of_it() -> None:
        busy = True
        while busy:
            busy = await services.worker.run_once()
            busy |= await services.courier.run_once()
            await services.courier.wait_until_idle()

    assert client.portal is not None
    client.portal.call(all_of_it)


def worker_alone(client: TestClient) -> None:
    """Drain the log and run what is due, and let what is to be sent wait."""
    services = client.app.state.services  # type: ignore[attr-defined]

    async def rounds() -> None:
        while await services.worker.run_once():
            pass

    assert client.portal is not None
    client.portal.call(rounds)


def everything(db: Database) -> str:
    """All that the store holds."""
    rows: list[str] = []
    with db.connect() as connection:
        for table in SQLModel.metadata.sorted_tables:
            rows += sorted(f"{table.name}: {row}" for row in connection.execute(sa.select(table)))
    return "\n".join(rows)


def table(db: Database, found: Any, *columns: str) -> list[Any]:
    """Columns of all rows of a table, sorted."""
    with db.connect() as connection:
        rows = connection.execute(sa.select(*(found.c[name] for name in columns))).all()
    return sorted((row[0] if len(columns) == 1 else tuple(row) for row in rows), key=str)


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """The text or the HTML of a mail."""
    part = mail.get_body((kind,))
    assert part is not None
    found: str = part.get_content()
    return found


def links(mail: EmailMessage) -> list[str]:
    """Every address in a mail, headers included."""
    found = [
        *LINK.findall(text_of(mail)),
        *LINK.findall(text_of(mail, "html")),
        *LINK.findall(str(mail["List-Unsubscribe"])),
    ]
    return sorted({link.replace("&amp;", "&") for link in found})


def token_in(mail: EmailMessage, prefix: str = "bc_") -> str:
    """The first token of a kind in a mail."""
    found = re.search(rf"{prefix}[0-9a-f]+", text_of(mail))
    assert found, text_of(mail)
    return found[0]


def one_click(client: TestClient, mail: EmailMessage) -> Any:
    """What a mail program does when its reader clicks on unsubscribe (RFC 8058)."""
    link = LINK.findall(str(mail["List-Unsubscribe"]))[0]
    path = "/v1/" + link.partition("/v1/")[2]
    return client.post(path, data={"List-Unsubscribe": "One-Click"}, headers={"Origin": "https://mail.example"})

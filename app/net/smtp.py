"""Handing mail over: to a server by SMTP (RFC 5321) over kept connections, or into a maildir where there is none."""

import asyncio
import mailbox
import re
import ssl
import time
from contextlib import suppress
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.policy import EmailPolicy
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import idna
from aiosmtplib import SMTP, SMTPException, SMTPResponseException, SMTPServerDisconnected

from app.core.files import make_folder
from app.core.logs import redact

MAX_CONNECTIONS: Final = 8  # open at once to one server
IDLE_SECONDS: Final = 30.0  # seconds that a connection is kept for the next mail
ANSWER_SECONDS: Final = 20.0  # seconds that a server may take for one answer
Stage = Literal["connect", "sender", "recipient", "content"]


def _split_words(name: str, value: Any) -> tuple[str, str]:
    """The words of a header that people read, and what stands behind them."""
    if name.lower() == "from" and (senders := getattr(value, "addresses", ())):
        return senders[0].display_name, f" <{senders[0].addr_spec}>"
    return (str(value) if name.lower() == "subject" else ""), ""


class _WirePolicy(EmailPolicy):
    """Words beyond ASCII are encoded as RFC 2047 has it, which the library's own folding does not keep to: it makes
    them too long and loses spaces between them. Nothing else is folded: a link that was would be encoded too."""

    def fold(self, name: str, value: Any) -> str:
        words, rest = _split_words(name, value)
        if words.isascii():
            return str(policy.SMTP.clone(linesep=self.linesep, max_line_length=998, utf8=self.utf8).fold(name, value))
        lines = [Header(words, "utf-8", 76, name).encode(linesep=self.linesep), *([rest] if rest else [])]
        return f"{name}: {self.linesep.join(lines)}{self.linesep}"

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("utf-8" if self.utf8 else "ascii")


WIRE_POLICY: Final = _WirePolicy(linesep="\r\n", max_line_length=76)
"""How mail is written for servers."""
_ENHANCED = re.compile(r"\s*(\d\.\d{1,3}\.\d{1,3})\b")


class Server(NamedTuple):
    """Where a mail server is, and how one signs in there."""

    host: str
    port: int
    tls: bool  # from the first byte; else STARTTLS where it is offered
    user: str
    password: str

    @classmethod
    def from_url(cls, url: str) -> "Server":
        """The server of `smtp://user:password@host:port` or `smtps://…`."""
        parts = urlsplit(url)
        tls = parts.scheme == "smtps"
        port = parts.port or (465 if tls else 25)
        return cls(parts.hostname or "", port, tls, unquote(parts.username or ""), unquote(parts.password or ""))


class MailRefused(Exception):
    """A server said no; what it said is kept without addresses. `code` is the SMTP reply, 0 where there was none."""

    def __init__(self, stage: Stage, code: int, answer: str) -> None:
        super().__init__(f"{stage}: {code} {redact(answer)}")
        self.stage, self.code, self.answer = stage, code, redact(answer)

    @property
    def is_final(self) -> bool:
        """Whether asking again would not help (RFC 5321 §4.2.1); a server that refuses us, or our sender, may be put
        right."""
        return self.stage in ("recipient", "content") and 500 <= self.code < 600

    @property
    def is_bounce(self) -> bool:
        """Whether the mailbox takes no mail. A server's policy (RFC 3463 X.7) or ours is not the recipient's fault."""
        found = _ENHANCED.match(self.answer)
        return self.is_final and self.stage == "recipient" and (found is None or found[1][2:4] in ("1.", "2."))


class Mailer(Protocol):
    """A way for mail to leave."""

    async def send(self, message: EmailMessage, to: str) -> str:
        """Hand one mail over for one recipient; returns what was answered. `MailRefused`, or an OSError, if not."""

    async def stop(self) -> None:
        """Close what is open."""


def _abort_connection(smtp: SMTP) -> None:
    """Let go of a connection at once, also where TLS would say goodbye first."""
    _abort(smtp, smtp.transport)


def _abort(smtp: SMTP, transport: asyncio.BaseTransport | None) -> None:
    smtp.close()
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def ascii_domain(address: str) -> str:
    """An address with its domain as every server knows it (RFC 5891).

    What looks like an encoded word is none that anybody has, and the library would decode it into the header.
    """
    local, _, domain = address.rpartition("@")
    if "=?" in local:
        raise MailRefused("recipient", 553, "5.1.3 The address is an encoded word")
    try:
        return f"{local}@{domain if domain.isascii() else idna.encode(domain, uts46=True).decode()}"
    except idna.IDNAError:
        raise MailRefused("recipient", 553, "5.1.2 The domain has no ASCII form") from None


class SmtpMailer:
    """Mail by SMTP. A password is never sent in clear."""

    def __init__(self, url: str, sender: str, *, context: ssl.SSLContext | None = None) -> None:
        self.server, self.sender = Server.from_url(url), ascii_domain(sender)
        self._given_context = context
        self._idle: list[tuple[SMTP, float]] = []
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """What TLS trusts. Made for the first connection: to read the certificates takes 20 ms of each process."""
        return self._given_context or ssl.create_default_context()

    async def send(self, message: EmailMessage, to: str) -> str:
        to = ascii_domain(to)
        async with self._slots:
            smtp = await self._start_mail(to)
            try:
                answer = await self._send_message(smtp, message, to)
            except MailRefused:
                await self._reset(smtp)
                raise
            except BaseException:  # cancelled in the middle: nobody knows where the conversation stands
                _abort_connection(smtp)
                raise
            self._return_connection(smtp)
            return answer

    async def _start_mail(self, to: str) -> SMTP:
        """A connection on which the server has heard who sends; one that was kept may have died meanwhile."""
        while self._idle:
            smtp, since = self._idle.pop()
            if time.monotonic() - since > IDLE_SECONDS or not smtp.is_connected:
                await self._quit(smtp)
                continue
            try:
                return await self._send_sender(smtp, to)
            except (SMTPServerDisconnected, TimeoutError, OSError):
                continue
            except MailRefused as refused:
                if refused.code != 421:  # it closes the connection
                    raise
        smtp = await self._connect()
        try:
            return await self._send_sender(smtp, to)
        except SMTPException as error:
            raise ConnectionError(redact(str(error))) from None

    async def _send_sender(self, smtp: SMTP, to: str) -> SMTP:
        options: list[str] = []
        if not (to + self.sender).isascii():
            if not smtp.supports_extension("smtputf8"):
                await self._reset(smtp)
                raise MailRefused("content", 553, "5.6.7 The server takes no addresses beyond ASCII")
            options = ["SMTPUTF8"]
        try:
            await smtp.mail(self.sender, options=options, encoding="utf-8")
        except SMTPResponseException as error:
            await self._quit(smtp)
            raise MailRefused("sender", error.code, error.message) from None
        except BaseException:
            _abort_connection(smtp)
            raise
        return smtp

    async def _send_message(self, smtp: SMTP, message: EmailMessage, to: str) -> str:
        stage: Stage = "recipient"
        wire = WIRE_POLICY if to.isascii() else WIRE_POLICY.clone(utf8=True)
        try:
            await smtp.rcpt(to, encoding="utf-8")
            stage = "content"
            return (await smtp.data(message.as_bytes(policy=wire))).message
        except SMTPResponseException as error:
            raise MailRefused(stage, error.code, error.message) from None
        except SMTPException as error:
            raise ConnectionError(redact(str(error))) from None

    async def _connect(self) -> SMTP:
        server = self.server
        smtp = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            tls_context=self._context,
            timeout=ANSWER_SECONDS,
            local_hostname=self.sender.rpartition("@")[2],
        )
        try:
            await smtp.connect()
            if server.user:
                if not (server.tls or smtp.get_transport_info("sslcontext")):
                    raise MailRefused("connect", 0, "The server offers no TLS: the password is not sent")
                await smtp.login(server.user, server.password)
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()
        except SMTPResponseException as error:
            _abort_connection(smtp)
            raise MailRefused("connect", error.code, error.message) from None
        except SMTPException as error:
            _abort_connection(smtp)
            raise ConnectionError(redact(str(error))) from None
        except BaseException:
            _abort_connection(smtp)
            raise
        return smtp

    async def _reset(self, smtp: SMTP) -> None:
        try:
            await smtp.rset()
        except (SMTPException, OSError):
            _abort_connection(smtp)
        else:
            self._return_connection(smtp)

    def _return_connection(self, smtp: SMTP) -> None:
        if smtp.is_connected:
            self._idle.append((smtp, time.monotonic()))

    async def _quit(self, smtp: SMTP) -> None:
        transport = smtp.transport  # which it forgets as it leaves
        with suppress(SMTPException, OSError):
            await smtp.quit(timeout=1)
        _abort(smtp, transport)

    async def stop(self) -> None:
        while self._idle:
            await self._quit(self._idle.pop()[0])
        await asyncio.sleep(0)  # the loop sees to what was let go


class MaildirMailer:
    """Mail into a maildir, a file each: for a server that is tried out, and for whoever reads it there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def send(self, message: EmailMessage, to: str) -> str:
        wire = WIRE_POLICY.clone(linesep="\n", utf8=not to.isascii())
        await asyncio.to_thread(self._add, message.as_bytes(policy=wire))
        return "stored"

    def _add(self, content: bytes) -> None:
        make_folder(self.folder.parent)
        mailbox.Maildir(self.folder, create=True).add(content)  # writes it through to the disk

    async def stop(self) -> None:
        return


def open_mailer(smtp_url: str, sender: str, folder: Path) -> Mailer:
    """The mailer of a publication: its server, or without one the folder."""
    return SmtpMailer(smtp_url, sender) if smtp_url else MaildirMailer(folder)

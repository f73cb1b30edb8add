"""Client of the external checker, an HTTP service that gives a verdict on comments."""

import time
from collections.abc import Callable

import pydantic_core
from standardwebhooks import Webhook

from app.comments.moderation import CheckerVerdict, Draft
from app.core.clock import now
from app.core.ids import new_id
from app.core.logs import get_logger
from app.core.settings import Settings
from app.moderation.rule_schemas import CheckerAnswerIn
from app.net.outgoing import Outgoing

TIMEOUT_SECONDS = 2.0  # for the whole request
MAX_ANSWER_BYTES = 65_536
MAX_FAILURES = 5  # consecutive failures, after which requests pause
UNAVAILABLE = CheckerVerdict("unavailable")
PAUSE_SECONDS = 30.0  # before the next attempt
log = get_logger("broadsheet.moderation")


class Checker:
    """Client of the checker at `CHECKER_URL`, if that is set.

    The operator chooses the address, so it may lie in a private network.
    """

    def __init__(
        self, settings: Settings, timeout: float = TIMEOUT_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.url, self._timeout, self._clock = settings.checker_url, timeout, clock
        secret = settings.checker_secret.get_secret_value()
        self._signer = Webhook(secret) if secret else None
        self._failures, self._asked_again_at = 0, 0.0
        self._outgoing = Outgoing(None)

    async def ask(self, draft: Draft) -> CheckerVerdict | None:
        """Return the checker's verdict on a draft, or None without a checker."""
        if not self.url:
            return None
        if self._clock() < self._asked_again_at:
            return UNAVAILABLE
        try:
            answer = CheckerAnswerIn.model_validate_json(await self._post(*self._message(draft)))
        except Exception as error:  # a failing checker must not fail the request of a commenter
            self._failed(type(error).__name__)
            return UNAVAILABLE
        self._failures = 0
        return CheckerVerdict(answer.verdict, answer.reason or "")

    async def stop(self) -> None:
        """Close the connections."""
        await self._outgoing.stop()

    def _failed(self, error: str) -> None:
        self._failures += 1
        if self._failures >= MAX_FAILURES:
            self._asked_again_at = self._clock() + PAUSE_SECONDS
        log.warning("the checker did not answer", error=error, failures=self._failures)

    def _message(self, draft: Draft) -> tuple[bytes, dict[str, str]]:
        moment = now()
        content = {"type": "comment.check", "timestamp": moment, "data": draft._asdict()}
        body = pydantic_core.to_json(content)
        message_id = f"msg_{new_id()}"
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(moment.timestamp())),
        }
        if self._signer is not None:
            headers["webhook-signature"] = self._signer.sign(message_id, moment, body.decode())
        return body, headers

    async def _post(self, body: bytes, headers: dict[str, str]) -> bytes:
        answer = await self._outgoing.call(
            "POST", self.url, timeout=self._timeout, headers=headers.items(), content=body, max_bytes=MAX_ANSWER_BYTES
        )
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        return answer.body

"""The delivery channel of webhooks, signed according to Standard Webhooks."""

from datetime import datetime, timedelta
from typing import Final, cast

import sqlalchemy as sa
from sqlmodel import Session
from standardwebhooks import Webhook

from app.core.clock import now
from app.core.network_addresses import Guard
from app.core.settings import Settings
from app.db import Database
from app.deliveries.schemas import MAX_ANSWER_LENGTH, ClaimedDelivery, Outcome
from app.events.staff_events import STAFF_TYPES
from app.net.outgoing import Answer, CallFailed, Outgoing
from app.text.inputs import drop_controls
from app.webhooks.webhooks import CHANNEL, MessageContent, SigningWebhook, disable_webhook, find_webhook, may_send

# Delays recommended by Standard Webhooks: after an immediate attempt, nine more within 75 hours.
RETRY_SCHEDULE: Final = tuple(
    timedelta(**step).total_seconds()
    for step in (
        {"seconds": 5},
        {"minutes": 5},
        {"minutes": 30},
        {"hours": 2},
        {"hours": 5},
        {"hours": 10},
        {"hours": 14},
        {"hours": 20},
        {"hours": 24},
    )
)
TIMEOUT_SECONDS: Final = 15.0  # for a whole attempt
MAX_FAILING_TIME: Final = timedelta(days=5)  # without a success, after which the webhook is disabled
GONE_STATUS = 410


def sign_message(webhook: SigningWebhook, event: str, body: str, moment: datetime) -> dict[str, str]:
    """Return the headers of a message, signed at each attempt, with both secrets during a rotation."""
    keys = [webhook["secret"]]
    old_secret, until = webhook["old_secret"], webhook["old_secret_until"]
    if old_secret and until and until > moment:
        keys.append(old_secret)
    return {
        "Content-Type": "application/json",
        "webhook-id": event,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(event, moment, body) for key in keys),
    }


def interpret_answer(answer: Answer) -> Outcome:
    """Interpret an answer: 2xx is delivered, 410 disables the webhook, everything else is retried."""
    text = drop_controls(answer.body.decode("utf-8", "replace"))[:MAX_ANSWER_LENGTH]
    if 200 <= answer.status < 300:
        return Outcome("delivered", answer.status, answer=text)
    if answer.status == GONE_STATUS:
        return Outcome("dead", GONE_STATUS, "the receiver answered 410 Gone", text, disable=True)
    error = f"status {answer.status}" + (", and redirects are not followed" if 300 <= answer.status < 400 else "")
    return Outcome("retry", answer.status, error, text, answer.retry_after)


class WebhookChannel:
    """Sends deliveries to webhooks, only to public internet addresses and those in `OUTGOING_ALLOW`."""

    name = CHANNEL
    schedule = RETRY_SCHEDULE
    timeout = TIMEOUT_SECONDS + 5.0  # including database time
    patience = MAX_FAILING_TIME

    def __init__(self, settings: Settings, outgoing: Outgoing | None = None) -> None:
        self._outgoing = outgoing or Outgoing(Guard(settings.outgoing_allow))

    async def send(self, db: Database, delivery: ClaimedDelivery) -> Outcome:
        """Attempt a delivery."""
        content = cast(MessageContent, delivery.content)
        body = content["body"]

        def find(connection: sa.Connection) -> tuple[SigningWebhook | None, bool]:
            webhook = find_webhook(connection, delivery.endpoint)
            is_for_staff = webhook is not None and delivery.what in STAFF_TYPES
            return webhook, not is_for_staff or may_send(connection, delivery.endpoint, delivery.what, body)

        webhook, is_allowed = await db.scan_fresh(find)
        if webhook is None:
            return Outcome("cancelled", error="the webhook was deleted")
        if not webhook["enabled"]:
            return Outcome("dead", error="the webhook is disabled", at_fault=False)
        if not is_allowed:
            return Outcome("cancelled", error="whoever set the events of the webhook may not read this one any more")
        headers = sign_message(webhook, delivery.event, body, now())
        if "request_id" in content:
            headers["x-request-id"] = content["request_id"]
        try:
            answer = await self._outgoing.call(
                "POST",
                webhook["url"],
                timeout=TIMEOUT_SECONDS,
                headers=headers.items(),
                content=body.encode(),
                max_bytes=4 * MAX_ANSWER_LENGTH,
                truncate=True,
            )
        except CallFailed as error:
            return Outcome("retry", error=str(error))
        return interpret_answer(answer)

    def disabled(self, session: Session, endpoint: str, why: str) -> None:
        """Disable the webhook."""
        disable_webhook(session, endpoint, why)

    async def stop(self) -> None:
        """Close outgoing connections."""
        await self._outgoing.stop()

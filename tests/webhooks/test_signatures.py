"""Signatures: a receiver that follows Standard Webhooks accepts genuine messages and refuses others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from app.webhooks.channel import sign_message

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SECRET, FORMER, OTHER = (f"whsec_{letter * 43}=" for letter in "MKQ")
BODY = '{"type":"comment.published","timestamp":"2030-01-01T12:00:00Z","data":{"id":"ü"}}'
WEBHOOK = {"secret": SECRET, "old_secret": FORMER, "old_secret_until": NOW + timedelta(hours=1)}
HEADERS = sign_message(WEBHOOK, "msg_0123456789abcdef", BODY, NOW)


def accepted(headers: dict[str, str], body: bytes, secret: str = SECRET, at: datetime = NOW) -> bool:
    with time_machine.travel(at, tick=False):
        try:
            Webhook(secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):  # what is no UTF-8 or no base64
            return False
        return True


@pytest.mark.parametrize(("secret", "good"), [(SECRET, True), (FORMER, True), (OTHER, False)])
def test_either_secret_verifies_while_one_replaces_the_other(secret: str, good: bool) -> None:
    assert accepted(HEADERS, BODY.encode(), secret) is good


def test_the_former_secret_ends() -> None:
    late = NOW + timedelta(hours=1)
    headers = sign_message(WEBHOOK, "msg_1", BODY, late)
    assert accepted(headers, BODY.encode(), SECRET, late)
    assert not accepted(headers, BODY.encode(), FORMER, late)


@pytest.mark.parametrize(("seconds", "good"), [(-301, False), (-299, True), (0, True), (299, True), (301, False)])
def test_stale_and_future_timestamps_are_refused(seconds: int, good: bool) -> None:
    assert accepted(HEADERS, BODY.encode(), at=NOW + timedelta(seconds=seconds)) is good


def test_every_flipped_bit_is_refused() -> None:
    body = BODY.encode()
    for place in range(len(body) * 8):
        changed = bytearray(body)
        changed[place // 8] ^= 1 << place % 8
        assert not accepted(HEADERS, bytes(changed)), place


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_every_changed_header_is_refused(name: str) -> None:
    for at in range(len(HEADERS[name])):
        for bit in range(7):
            value = HEADERS[name]
            value = value[:at] + chr(ord(value[at]) ^ 1 << bit) + value[at + 1 :]
            assert not accepted({**HEADERS, name: value}, BODY.encode()), value


def test_every_changed_signature_is_refused() -> None:
    """Change each character of the only signature but the last, whose lowest bits mean nothing in base64."""
    alone: dict[str, Any] = {**WEBHOOK, "old_secret": None}
    headers = sign_message(alone, "msg_1", BODY, NOW)
    signature = headers["webhook-signature"]
    assert accepted(headers, BODY.encode())
    for at in range(len("v1,"), len(signature) - 2):
        other = "A" if signature[at] != "A" else "B"
        assert not accepted(
            {**headers, "webhook-signature": signature[:at] + other + signature[at + 1 :]}, BODY.encode()
        )

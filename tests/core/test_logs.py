"""Logs name places and kinds, never people, keys or addresses."""

import json

import pytest
import structlog

from app.core import logs

log = structlog.get_logger("test")


def fail(message: str) -> None:
    hidden_local = ["local-canary"]
    try:
        raise LookupError(message)
    except LookupError as error:
        raise ValueError(message) from (hidden_local and error)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_places_and_no_values(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    logs.configure_logging(log_format)
    private = [
        "ann@example.org",
        "bs_" + "ab" * 36,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl",
        "c2lnbmF0dXJl",
        "198.51.100.23",
        "2001:db8:0:1::beef",
        "::ffff:10.0.0.1",
        "1:2:3:4:5:6:7:8",
    ]
    try:
        fail(f"No: {private[0]}, from {private[4]} and [{private[5]}] or {' '.join(private[6:])} Bearer s3cr3t")
    except ValueError:
        log.exception("it failed", piece="mail")
    try:
        fail(f"No: {private[1]} {private[2]} {private[6]}: {private[7]}")
    except ValueError:
        log.exception("it failed", piece="mail")
    text = capsys.readouterr().err
    assert [secret for secret in [*private, "s3cr3t", "10.0.0.1", "local-canary"] if secret in text] == []
    for shown in ("it failed", "mail", "ValueError", "LookupError", "No: (hidden)", "test_logs.py"):
        assert shown in text


def test_json_is_one_line_for_each_event(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure_logging("json")
    log.info("first", text="a\nb")
    log.debug("never")
    log.warning("second")
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (first["event"], first["level"], first["text"]) == ("first", "info", "a\nb")
    assert first["timestamp"].endswith("Z")
    assert "exception" not in first
    assert second["level"] == "warning"


@pytest.mark.parametrize(
    "text", ["at 22:47:41 in line 7", "app/db.py", "version 3.51.3", "12 of 30", "is_id", "bs_", "a: b: c"]
)
def test_what_is_nobodys_stays(text: str) -> None:
    assert logs.redact(text) == text

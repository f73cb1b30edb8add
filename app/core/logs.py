"""Structured logs: one event per line, without e-mail addresses, tokens and IP addresses."""

import logging
import re
import sys
import traceback
from typing import TextIO

import pydantic_core

from app.core.memory import hide_module

with hide_module("rich"):  # structlog would import it with pygments and attrs: 4 MB that nothing here uses
    import structlog
    from structlog.tracebacks import ExceptionDictTransformer
    from structlog.typing import ExcInfo

get_logger, bind_contextvars = structlog.get_logger, structlog.contextvars.bind_contextvars
_PRIVATE = re.compile(
    r"[^\s@\"'(<]{1,64}@[^\s@\"')>]{1,255}"  # an e-mail address, or the user and host of a URL
    r"|\b[a-z]{2}_[0-9a-f]{16,}"  # a key or token of this server
    r"|\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}"  # a JWT
    r"|(?i:\bbearer\s+\S+)"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b"  # IPv4
    r"|(?<![\w:])[0-9a-fA-F:]*::[0-9a-fA-F:]*|\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}"  # IPv6
)
_describe = ExceptionDictTransformer(show_locals=False)  # local variables hold tokens, addresses and texts


def redact(text: str) -> str:
    """Replace e-mail addresses, tokens and network addresses in a text by `(hidden)`."""
    return _PRIVATE.sub("(hidden)", text)


def _format_as_data(exc_info: ExcInfo) -> list[dict[str, object]]:
    """Return a traceback as data. Messages of exceptions may quote input, so they are redacted."""
    stacks = _describe(exc_info)
    for stack in stacks:
        stack["exc_value"] = redact(stack["exc_value"])
    return stacks


def _format_as_text(out: TextIO, exc_info: ExcInfo) -> None:
    """Write a traceback for people."""
    out.write("\n" + redact("".join(traceback.format_exception(*exc_info))))


def _format_as_json(event: object, **_: object) -> str:
    """Return a log line as JSON, several times faster than the standard library: every request writes one."""
    return pydantic_core.to_json(event, fallback=str, inf_nan_mode="constants").decode()


def writes_json(log_format: str) -> bool:
    """Whether lines are JSON, or else readable."""
    return not (log_format == "console" or (log_format == "auto" and sys.stderr.isatty()))


def configure_logging(log_format: str) -> None:
    """Set up structlog for this process: JSON lines, or readable lines on a terminal."""
    last: list[structlog.typing.Processor] = [
        structlog.processors.ExceptionRenderer(_format_as_data),
        structlog.processors.JSONRenderer(_format_as_json),
    ]
    if not writes_json(log_format):
        last = [structlog.dev.ConsoleRenderer(exception_formatter=_format_as_text)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )

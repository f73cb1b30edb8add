"""Structured logs: one event a line, never an e-mail address, a token or an IP address."""

import logging
import sys

import structlog
import structlog.tracebacks


# Local variables hold tokens, addresses and texts: a traceback names places and never values.
_TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def configure(log_format: str) -> None:
    """Set up structlog for this process: JSON lines, or readable lines on a terminal."""
    readable = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    last = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback) if readable else structlog.processors.JSONRenderer()
    errors = structlog.processors.StackInfoRenderer() if readable else structlog.processors.ExceptionRenderer(_TRACEBACK)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            errors,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )

"""Fixtures of this room."""

from tests.feeds.conftest import settings

__all__ = ["settings"]

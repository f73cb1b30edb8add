"""What tests of this room begin with."""

from tests.feeds.conftest import settings

__all__ = ["settings"]

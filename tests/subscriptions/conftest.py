"""The same beginnings as tests of mail: what is subscribed to ends in a mailbox."""

from tests.mail.conftest import article, mailbox, reader, settings, subscribed

__all__ = ["article", "mailbox", "reader", "settings", "subscribed"]

"""Notifications by mail: recipients of events, digests, and the content of mails."""

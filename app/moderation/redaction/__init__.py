"""Redaction: a moderator takes words out of a comment, and what stood there stays on record for moderators."""

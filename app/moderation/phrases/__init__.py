"""Phrases that moderators do not want to see unread: each holds a comment back, refuses it, or calls it spam."""

"""Decisions: what moderators do to comments, and what follows from it."""

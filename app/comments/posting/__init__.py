"""Posting a comment: once, however often it is sent."""

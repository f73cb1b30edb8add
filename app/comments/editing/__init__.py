"""Changing and taking back a comment."""

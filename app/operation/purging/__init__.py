"""Purging an article: it is erased with all that was said about it, and only its id is remembered."""

"""Votes on comments and reactions to articles: one for each participant."""

"""Disqus: its XML export, read in one go and matched to articles."""

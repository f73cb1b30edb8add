"""Feeds: what is new, for feed readers and aggregators."""

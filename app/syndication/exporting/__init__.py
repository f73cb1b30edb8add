"""Exports of everything that is public, in one stream: where followers of the change feed begin."""

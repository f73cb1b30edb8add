"""Listing: many articles at once, filtered, sorted and paged."""

"""Releases: many changes that readers see at once, published in one transaction and rolled back in another."""

"""Exports of what is public, and of everything."""

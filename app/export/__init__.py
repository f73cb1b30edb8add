"""Exports of all public content, and of everything."""

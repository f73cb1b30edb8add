"""Formats: one file for each that content goes out in."""

"""Screening: every comment passes the same stages before it is shown."""

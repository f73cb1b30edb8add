"""Telling a webhook again what the log still knows."""

"""Webhooks: signed messages to other systems about events (Standard Webhooks)."""

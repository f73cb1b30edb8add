"""Asking for a subscription, and proving by mail that the address is one's own: double opt-in."""

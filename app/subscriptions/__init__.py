"""Subscriptions to notifications by mail: double opt-in, management, unsubscribing and suppressions."""

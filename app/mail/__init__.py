"""Mails about subscriptions: who gets which, digests, and the letters themselves."""

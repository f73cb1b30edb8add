"""Subscriptions: who asked to hear of what, proved that the address is theirs, and has not had enough since."""

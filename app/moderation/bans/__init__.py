"""Bans: who may not take part, known by identity, network address or e-mail, until a time or for good."""

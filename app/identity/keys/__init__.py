"""API keys: shown once, kept as a hash, scoped, expiring, revoked everywhere within a second."""

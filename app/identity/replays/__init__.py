"""Idempotency keys: the answer to a POST is kept beside its effect, so that sending it again changes nothing."""

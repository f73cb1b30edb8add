"""Readers who are signed in at the publication's own site, known by the JWTs that it signs (RFC 7519)."""

"""Tags: what articles are about."""

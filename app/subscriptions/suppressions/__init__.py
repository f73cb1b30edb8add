"""Suppressions: addresses that get no mail whatever is asked, kept as hashes alone."""

"""Revisions: every text that was ever saved, never changed afterwards."""

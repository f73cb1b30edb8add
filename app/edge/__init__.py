"""Kept answers: finished anonymous answers in memory, in front of the framework, evicted by the event log."""

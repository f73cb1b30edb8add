"""The event log: every change that others may care about, in the order of commits."""

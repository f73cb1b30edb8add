"""Import of comments from any system: mapping to participants, threads and counters."""

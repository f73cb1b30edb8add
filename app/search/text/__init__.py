"""Words of articles and of questions, the same on every database: folded, cut, weighed and marked."""

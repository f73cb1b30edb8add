"""Related articles: pinned by editors, from the same series, and by similar texts."""

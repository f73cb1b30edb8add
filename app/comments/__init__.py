"""Comments on articles: posting, reading in threads, editing, deleting and offline sync."""

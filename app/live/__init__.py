"""Live streams: events of an article or of the publication, sent over open connections."""

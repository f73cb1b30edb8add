"""Series: articles that belong together."""

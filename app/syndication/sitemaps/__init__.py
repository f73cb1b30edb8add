"""Sitemaps: where the articles are, for search engines (sitemaps.org; Google's news extension)."""

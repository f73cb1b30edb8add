"""Feeds, sitemaps, oEmbed and articles in the formats of other systems."""

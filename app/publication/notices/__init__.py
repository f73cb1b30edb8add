"""Notices: words of the publication that stand before or after articles, such as disclaimers."""

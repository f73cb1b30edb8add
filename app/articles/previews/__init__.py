"""Previews: links that show one unpublished article to whoever holds them."""

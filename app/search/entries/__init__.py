"""The entries of the index of the search."""

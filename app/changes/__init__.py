"""The change feed, which followers read with a cursor."""

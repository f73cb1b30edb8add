"""Input types, HTML sanitising, names, languages and collation."""

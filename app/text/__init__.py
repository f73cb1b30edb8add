"""Text from outside: input types, HTML sanitising, names, languages and collation."""

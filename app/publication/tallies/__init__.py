"""How many public articles each section, tag, author and series has."""

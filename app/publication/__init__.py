"""What articles stand in and under: sections, tags, authors, series, notices and media."""

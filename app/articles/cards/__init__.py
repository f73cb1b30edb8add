"""Cards: an article's finished JSON beside its row, so that lists and single articles need not be put together anew."""

"""Moving the articles of one tag, author or series to another: a few at a time, so that others can write meanwhile."""

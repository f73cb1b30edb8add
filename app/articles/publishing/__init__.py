"""Publishing: the states of an article, by hand and by the clock."""

"""Terms that are merged into others or taken off all their articles: how far that is, and what became of them."""

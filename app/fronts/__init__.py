"""Section fronts: blocks of articles in an order, each article once, in one answer."""

"""Import of Disqus XML exports, whose threads are matched to articles."""

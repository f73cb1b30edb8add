"""Imports of WordPress and Disqus exports; each format has its own reader and writes through other rooms' actions."""

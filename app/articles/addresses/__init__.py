"""Addresses: the slug an article has, and every one it had, which leads on to it."""

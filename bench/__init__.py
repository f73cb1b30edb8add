"""Benchmarks: the cost of each kind of request, compared with a raw ASGI app that sends the same bytes."""

"""The measuring harness: what each kind of request costs, beside a raw ASGI app that sends the same bytes."""

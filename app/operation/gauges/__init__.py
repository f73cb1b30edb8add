"""How far the readers of the log are, and how deliveries stand, for `/metrics`."""

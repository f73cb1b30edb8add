"""Ways out, one for each receiver: whose turn it is, and which one is broken."""

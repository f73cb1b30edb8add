"""Taking what is due on a lease, and noting what became of it."""

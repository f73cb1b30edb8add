"""Who is calling, what they may do, and whether they have sent this before."""

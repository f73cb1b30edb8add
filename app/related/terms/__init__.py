"""Terms: in how many articles each stem stands, and which texts have it among their strongest."""

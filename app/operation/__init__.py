"""What operators and machines ask of a running server: is it well, what does it count, what does it speak."""

"""What a client wrote while it was offline, sent in one go."""

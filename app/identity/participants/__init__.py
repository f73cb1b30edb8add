"""Participants: whoever writes, votes or reports here, whether known by a token, by their site or by a key."""

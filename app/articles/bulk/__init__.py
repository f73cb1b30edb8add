"""Many changes of articles in one request: each by itself, as its single route would make it."""

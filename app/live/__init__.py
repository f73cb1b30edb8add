"""Live streams: what happens to an article or in the publication, told to those who keep a connection open."""

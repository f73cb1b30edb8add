"""What readers say with one press: votes on comments and reactions to articles, one of each for everybody."""

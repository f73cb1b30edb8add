"""Reports: what readers say is wrong with a comment or an article."""

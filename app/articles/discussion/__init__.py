"""Whether and how readers may answer an article, and how many did."""

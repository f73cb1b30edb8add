"""One number that grows whenever something changes that articles show but do not own: names, pictures, notices."""

"""Sections: the parts of the publication, one inside another if need be."""

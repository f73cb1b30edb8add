"""The log: everything the outside world may care about, in the order in which it was committed."""

"""Files of other systems in: each format has a reader of its own and writes only through the rooms' actions."""

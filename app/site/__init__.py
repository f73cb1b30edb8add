"""The publication's site as a front end needs it: its profile, its menus, and what to answer at each address."""

"""People: the staff who sign in, their credentials, invitations and sessions."""

"""What readers write: threads of comments, how they are posted, read, changed and taken back."""

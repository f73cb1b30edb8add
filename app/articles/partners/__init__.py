"""What partners, whose keys have the scope `syndicate`, may have of articles."""

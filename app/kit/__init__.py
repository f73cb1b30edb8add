"""What every room uses and no reader has heard of: database, problems, paging, HTTP; no domain words."""

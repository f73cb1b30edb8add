"""Pictures that articles show: uploaded, rebuilt, cut to widths and stored."""

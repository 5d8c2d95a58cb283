"""Records that leave the program, as JSON objects."""

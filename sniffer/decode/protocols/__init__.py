"""Identity protocols: one small parser per file."""

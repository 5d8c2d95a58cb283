"""Wake sources, one small file each."""

"""Where wake events come from: one small file a source. I/O, like capture."""

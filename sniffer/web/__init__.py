"""The HTTP API, and the page for people."""

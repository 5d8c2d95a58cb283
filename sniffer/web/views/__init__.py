"""One module a view: what the backend knows, arranged for a template."""

"""Base classes of the configuration, and YAML with line numbers."""

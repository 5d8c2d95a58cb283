"""The engine of the upload rules: Sigma documents over upload records."""

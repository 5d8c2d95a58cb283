"""One small file per kind of export."""

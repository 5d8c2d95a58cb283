"""Whether the capture sees what it should: missing bytes, visibility, offload."""

"""What was learned of a device."""

"""What changes for modules when another installed kernel is booted."""

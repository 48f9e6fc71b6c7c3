"""Records of the kernel log."""

"""The cross-check: what different parts of the kernel say about the same modules."""

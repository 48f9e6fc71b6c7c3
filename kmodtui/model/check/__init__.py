"""Whether this kernel would load a module file."""

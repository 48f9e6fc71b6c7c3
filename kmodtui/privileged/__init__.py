"""Everything that touches root: protocol, the helper itself, and the client that starts it."""

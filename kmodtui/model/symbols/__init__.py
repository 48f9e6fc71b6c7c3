"""The kernel's symbol table: readings, differences, search."""

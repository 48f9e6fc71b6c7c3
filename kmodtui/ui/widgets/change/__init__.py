"""The view of a change of the symbols."""

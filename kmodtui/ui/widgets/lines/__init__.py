"""Views of many lines, of which only those on the screen are rendered."""

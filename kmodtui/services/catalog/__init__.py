"""The modules of a release, loaded or not, read once and kept."""

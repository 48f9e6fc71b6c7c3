"""The commands of the dashboard with their keys, by the part of the screen where they work."""

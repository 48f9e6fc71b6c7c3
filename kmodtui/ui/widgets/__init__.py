"""Widgets of the dashboard: panes, lines with a cursor, header and footer."""

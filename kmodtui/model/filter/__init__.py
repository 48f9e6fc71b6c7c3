"""The language of filters: one for all panes, pages and verbs."""

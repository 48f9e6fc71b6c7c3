"""Explanations of what happened or failed, with the evidence."""

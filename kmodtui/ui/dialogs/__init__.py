"""Dialogs: questions, forms and plans in front of a screen."""

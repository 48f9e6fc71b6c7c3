"""The dashboard. Textual and rich occur here and nowhere else."""

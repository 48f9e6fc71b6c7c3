"""Reading one Linux system, through a Host."""

"""What the picker offers and takes."""

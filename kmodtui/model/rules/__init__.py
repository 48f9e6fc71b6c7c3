"""The rules of modprobe.d: which of them have an effect, and why others have none."""

"""What only a kernel can prove: kmodtui in an unmodified Debian, booted in QEMU."""

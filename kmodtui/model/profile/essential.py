"""Modules that no profile blocks, whether or not they are in use now.

A keyboard that is plugged in for a rescue, an encrypted disk, or the network after a reboot
must work as before.
"""

from __future__ import annotations

KEYBOARD = "a keyboard may need it"
ENCRYPTION = "an encrypted disk may need it"
BOOT = "systemd loads it at boot"
CHARSET = "a file system that is in use may need it"

NAMES = {
    **dict.fromkeys(
        (
            *("atkbd", "i8042", "libps2", "serio", "hyperv_keyboard", "virtio_input", "evdev"),
            *("hid", "hid_generic", "usbhid", "usbkbd", "i2c_hid", "i2c_hid_acpi", "i2c_hid_of"),
            *("intel_ishtp_hid", "surface_hid", "surface_kbd", "applespi", "spi_hid_apple"),
            *("usbcore", "usb_common", "xhci_hcd", "xhci_pci", "xhci_plat_hcd", "ehci_hcd"),
            *("ehci_pci", "ehci_platform", "ohci_hcd", "ohci_pci", "uhci_hcd", "thunderbolt"),
        ),
        KEYBOARD,
    ),
    **dict.fromkeys(
        ("dm_mod", "dm_crypt", "dm_integrity", "dm_verity", "encrypted_keys", "trusted"),
        ENCRYPTION,
    ),
    # kmod_setup() in systemd, and modules-load.d of its packages.
    **dict.fromkeys(
        (
            *("autofs4", "ipv6", "unix", "ip_tables", "dmi_sysfs", "efivarfs", "efi_pstore"),
            *("tpm", "virtio_rng", "qemu_fw_cfg", "virtio_console", "virtiofs", "configfs"),
            *("fuse", "vmw_vsock_virtio_transport", "binfmt_misc", "pstore_blk", "ramoops"),
        ),
        BOOT,
    ),
}
"""Why each of these modules is kept."""

_KEYBOARDS = ("kernel/drivers/hid/", "kernel/drivers/input/keyboard/")
_CRYPTO = ("kernel/crypto/", "kernel/lib/crypto/")
_NOT_FOR_DISKS = ("algif_aead", "algif_rng")  # cryptsetup uses algif_skcipher and algif_hash
_CHARSETS = "kernel/fs/nls/"


def essential(name: str, place: str, *, encrypted: bool) -> str:
    """Return why a module is never blocked by a profile; empty if it may be.

    Args:
        name: the module.
        place: its file relative to the release's directory.
        encrypted: whether the system has encrypted disks.
    """
    if why := NAMES.get(name):
        return why
    if place.startswith(_KEYBOARDS):
        return KEYBOARD
    crypto = place.startswith(_CRYPTO) or (place.startswith("kernel/arch/") and "/crypto/" in place)
    if encrypted and crypto and name not in _NOT_FOR_DISKS:
        return ENCRYPTION
    return CHARSET if place.startswith(_CHARSETS) else ""

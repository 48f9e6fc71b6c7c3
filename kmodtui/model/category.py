"""The category of a module, derived from its directory in the kernel's source tree."""

from __future__ import annotations

from functools import lru_cache

TREE = "kernel/"
"""Directory of a release for the modules built with the kernel; all others are external."""

_WORDS = {
    "arch": "processor support",
    "arch/*/crypto": "cryptography",
    "arch/*/kvm": "virtual machines",
    "block": "block layer",
    "crypto": "cryptography",
    "drivers": "driver",
    "drivers/accessibility": "accessibility",
    "drivers/acpi": "ACPI driver",
    "drivers/ata": "ATA disk driver",
    "drivers/atm": "ATM network driver",
    "drivers/block": "block device",
    "drivers/bluetooth": "Bluetooth driver",
    "drivers/char": "character device",
    "drivers/char/hw_random": "hardware RNG",
    "drivers/char/ipmi": "server management",
    "drivers/char/tpm": "TPM security chip",
    "drivers/comedi": "data acquisition",
    "drivers/cpufreq": "CPU frequency",
    "drivers/crypto": "crypto accelerator",
    "drivers/dma": "DMA driver",
    "drivers/edac": "memory errors (EDAC)",
    "drivers/firewire": "FireWire driver",
    "drivers/firmware": "firmware interface",
    "drivers/gpio": "GPIO driver",
    "drivers/gpu": "graphics driver",
    "drivers/hid": "input device driver",
    "drivers/hv": "virtual machine guest",
    "drivers/hwmon": "sensor",
    "drivers/i2c": "I²C bus driver",
    "drivers/iio": "sensor",
    "drivers/infiniband": "InfiniBand driver",
    "drivers/input": "input device driver",
    "drivers/input/joystick": "joystick driver",
    "drivers/input/keyboard": "keyboard driver",
    "drivers/input/mouse": "mouse driver",
    "drivers/input/tablet": "tablet driver",
    "drivers/input/touchscreen": "touchscreen driver",
    "drivers/iommu": "IOMMU driver",
    "drivers/isdn": "ISDN driver",
    "drivers/leds": "LED driver",
    "drivers/md": "RAID and LVM",
    "drivers/media": "TV, radio or camera",
    "drivers/media/cec": "remote control",
    "drivers/media/radio": "radio receiver",
    "drivers/media/rc": "remote control",
    "drivers/memstick": "card reader",
    "drivers/message": "disk controller",
    "drivers/mfd": "multi-function chip",
    "drivers/misc": "miscellaneous driver",
    "drivers/misc/eeprom": "EEPROM driver",
    "drivers/mmc": "card reader",
    "drivers/mtd": "flash memory",
    "drivers/net": "network driver",
    "drivers/net/can": "CAN bus driver",
    "drivers/net/ethernet": "Ethernet driver",
    "drivers/net/phy": "Ethernet PHY",
    "drivers/net/ppp": "PPP",
    "drivers/net/usb": "USB network driver",
    "drivers/net/wireless": "wireless driver",
    "drivers/net/wwan": "mobile network driver",
    "drivers/nfc": "NFC driver",
    "drivers/nvdimm": "persistent memory",
    "drivers/nvme": "NVMe disk driver",
    "drivers/nvmem": "EEPROM driver",
    "drivers/parport": "parallel port",
    "drivers/pci": "PCI bus driver",
    "drivers/pcmcia": "PC card driver",
    "drivers/pinctrl": "pin control",
    "drivers/platform": "platform driver",
    "drivers/power": "power supply",
    "drivers/powercap": "power limit",
    "drivers/pps": "pulse per second",
    "drivers/ptp": "PTP clock",
    "drivers/pwm": "PWM driver",
    "drivers/rtc": "real-time clock",
    "drivers/scsi": "SCSI driver",
    "drivers/spi": "SPI bus driver",
    "drivers/staging": "staging driver",
    "drivers/target": "SCSI target",
    "drivers/thermal": "thermal control",
    "drivers/thunderbolt": "Thunderbolt driver",
    "drivers/tty": "serial port",
    "drivers/ufs": "flash storage driver",
    "drivers/uio": "userspace I/O",
    "drivers/usb": "USB driver",
    "drivers/usb/gadget": "USB gadget",
    "drivers/usb/host": "USB controller",
    "drivers/usb/serial": "USB serial port",
    "drivers/usb/storage": "USB storage",
    "drivers/vdpa": "virtual device",
    "drivers/vfio": "virtual machines",
    "drivers/vhost": "virtual machines",
    "drivers/video": "display driver",
    "drivers/virt": "virtual machine guest",
    "drivers/virtio": "virtual machine guest",
    "drivers/w1": "1-Wire driver",
    "drivers/watchdog": "watchdog",
    "drivers/xen": "virtual machine guest",
    "fs": "file system",
    "fs/fscache": "file cache",
    "fs/nls": "character set",
    "fs/pstore": "persistent storage",
    "fs/unicode": "character set",
    "init": "kernel core",
    "ipc": "kernel core",
    "kernel": "kernel core",
    "lib": "library",
    "lib/crypto": "cryptography",
    "mm": "memory",
    "net": "network protocol",
    "net/bluetooth": "Bluetooth protocol",
    "net/bridge": "network bridge",
    "net/bridge/netfilter": "firewall",
    "net/ipv4/netfilter": "firewall",
    "net/ipv6/netfilter": "firewall",
    "net/mac80211": "wireless network",
    "net/netfilter": "firewall",
    "net/netfilter/ipvs": "load balancing",
    "net/sched": "traffic control",
    "net/wireless": "wireless network",
    "samples": "sample code",
    "security": "security",
    "sound": "sound",
    "sound/soc": "sound chip",
    "sound/usb": "USB sound",
    "virt": "virtual machines",
}
"""Category by source directory: the longest matching path wins; `*` is any one directory."""


_SYNONYMS = {
    "Bluetooth driver": "bt",
    "Ethernet driver": "lan nic",
    "TV, radio or camera": "webcam video",
    "character set": "charset",
    "cryptography": "crypto encryption cipher hash",
    "display driver": "video screen",
    "file system": "filesystem",
    "firewall": "netfilter iptables nftables",
    "graphics driver": "gpu video",
    "memory errors (EDAC)": "ecc",
    "serial port": "uart console",
    "sensor": "temperature hwmon",
    "sound": "audio",
    "sound chip": "audio",
    "USB sound": "audio",
    "virtual machine guest": "vm",
    "virtual machines": "vm hypervisor",
    "wireless driver": "wifi wi_fi wlan",
    "wireless network": "wifi wi_fi wlan",
}
"""Other words for a category that people search for, with `_` for `-` as in names."""


def is_external(path: str) -> bool:
    """Return whether a module does not belong to the kernel's own package.

    Args:
        path: its file relative to the release's directory, as in modules.dep. The kernel's
            own modules are in `kernel/`; those in `updates/`, `updates/dkms/`, `extra/`,
            `weak-updates/` or outside of the directory were installed separately.
    """
    return bool(path) and not path.startswith(TREE)


def category(path: str) -> str:
    """Return the category of a module in a few words; empty if unknown.

    Args:
        path: its file relative to the release's directory, such as `kernel/fs/btrfs/btrfs.ko`.
    """
    return "external" if is_external(path) else _of_directory(path.rpartition("/")[0])


def search_words(path: str) -> str:
    """Return the words that a module is found by because of its category; see `category`."""
    words = category(path)
    return f"{words} {_SYNONYMS.get(words, '')}".rstrip()


@lru_cache(maxsize=2048)
def _of_directory(directory: str) -> str:
    parts = directory.removeprefix(TREE.rstrip("/")).strip("/").split("/")
    if parts[0] == "arch" and len(parts) > 1:
        parts[1] = "*"
    for length in range(len(parts), 0, -1):
        if words := _WORDS.get("/".join(parts[:length])):
            return words
    return ""

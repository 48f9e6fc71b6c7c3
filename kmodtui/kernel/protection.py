"""Reader of what can refuse modules besides signatures: Secure Boot, LoadPin, security modules.

Sources: the EFI variable SecureBoot (UEFI specification, 3.3: four bytes of attributes, then
the value), `security/loadpin/loadpin.c`, /sys/kernel/security/lsm (`security/inode.c`).
"""

from __future__ import annotations

from kmodtui.kernel.host import Host
from kmodtui.model.doctor.facts import Protection
from kmodtui.model.text import clean, decode

EFI = "/sys/firmware/efi"
SECURE_BOOT = f"{EFI}/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
LOADPIN = "/proc/sys/kernel/loadpin/enforce"
SECURITY_MODULES = "/sys/kernel/security/lsm"


def read_protection(host: Host) -> Protection:
    """Return it; None for what the system does not show."""
    variable, loadpin, names = (_read(host, p) for p in (SECURE_BOOT, LOADPIN, SECURITY_MODULES))
    return Protection(
        efi=host.exists(EFI),
        secure_boot=bool(variable[4]) if variable and len(variable) > 4 else None,
        loadpin=loadpin.strip() == b"1" if loadpin is not None else None,
        security_modules=tuple(clean(decode(name)) for name in names.strip().split(b","))
        if names
        else (),
    )


def _read(host: Host, path: str) -> bytes | None:
    try:
        return host.read(path, 4096)
    except OSError:
        return None

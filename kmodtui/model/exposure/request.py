"""Who can make the kernel ask for an alias, by the calls of request_module() in the kernel.

The kernel asks for `net-pf-38` when anybody opens such a socket, for `fs-NAME` when somebody
mounts it, which takes CAP_SYS_ADMIN in a user namespace, and udev asks for the alias of each
device that is plugged in. Each entry names the function that asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Reach(StrEnum):
    """Who can make the kernel load a module; the widest reach first."""

    USER = "any user"
    NAMESPACE = "any user, in a user namespace"
    DEVICE = "whoever plugs in a device"
    ROOT = "root only"

    @property
    def rank(self) -> int:
        """0 for the widest reach."""
        return tuple(Reach).index(self)

    @property
    def short(self) -> str:
        """A word for a narrow column, and for the command line."""
        return _SHORT[self]


_SHORT = {
    Reach.USER: "user",
    Reach.NAMESPACE: "namespace",
    Reach.DEVICE: "device",
    Reach.ROOT: "root",
}

BY_WORD = {word: reach for reach, word in _SHORT.items()}
"""Who can have a module loaded, by the word for it on the command line."""


@dataclass(frozen=True, slots=True)
class Switches:
    """The settings of a system that decide who can have modules loaded.

    Attributes:
        modules_disabled: no module can be loaded until reboot (kernel.modules_disabled).
        autoload: the kernel runs modprobe when it needs a module (kernel.modprobe).
        namespaces: ordinary users can create user namespaces.
        why_no_namespaces: the setting that forbids it; empty if they can.
        line_disciplines: ordinary users can load line disciplines (dev.tty.ldisc_autoload).
        crypto_sockets: AF_ALG sockets are available to ordinary users.
        open_nodes: the names below /dev that ordinary users can open.
    """

    modules_disabled: bool = False
    autoload: bool = True
    namespaces: bool = True
    why_no_namespaces: str = ""
    line_disciplines: bool = True
    crypto_sockets: bool = True
    open_nodes: frozenset[str] = frozenset()


_BY_USER = (
    # Function in the kernel, what a user does, and the alias that the kernel asks for.
    # Not the protocols of Phonet (35): pn_socket_create wants CAP_SYS_ADMIN before it asks.
    (r"net-pf-16-proto-16-family-", "asks for a generic netlink family"),  # ctrl_getfamily
    (r"net-pf-16-proto-4-type-", "asks for socket information"),  # sock_diag
    (r"net-pf-16-proto-\d+$", "opens a netlink socket"),  # netlink_create
    (r"net-pf-(?!35-)\d+-proto-", "opens a socket of this protocol"),  # inet_create and others
    (r"net-pf-\d+$", "opens a socket of this family"),  # __sock_create
    (r"can-proto-", "opens a CAN socket"),  # can_create
    (r"bt-proto-", "opens a Bluetooth socket"),  # bt_sock_create
    (r"ieee802154-", "opens a socket of this family"),
    (r"binfmt-", "runs a file of this binary format"),  # search_binary_handler
)

_IN_NAMESPACE = (
    (r"fs-", "mounts this file system"),  # get_fs_type, after may_mount
    (r"rtnl-link-", "adds a network interface of this kind"),  # rtnl_newlink
    (r"rtnl-lwt-", "adds a route with this encapsulation"),  # lwtunnel_valid_encap_type
    (r"rtnl-af-", "configures an interface"),
    (r"xfrm-(type|mode|offload)-", "adds an IPsec state"),  # xfrm_get_type
    (r"nfnetlink-subsys-", "uses netfilter over netlink"),  # nfnetlink_rcv_msg
    (r"nft-", "adds a rule of nftables"),  # nft_request_module
    (r"nfct-helper-", "adds a connection tracking helper"),
    (r"nf[-_]", "uses netfilter"),
    (r"(ipt|ip6t|ebt|arpt|xt|iptable|ip6table|arptable|ebtable)_", "adds a rule of iptables"),
    (r"ip_set_", "adds an IP set"),
    (r"ip_vs_|ip_vs-", "configures IPVS"),
    (r"net-(sch|cls|act)-", "configures traffic control"),  # tc_modify_qdisc
    (r"ematch-kind-", "configures traffic control"),
)

_NAMES_IN_NAMESPACE = (
    # Modules that the kernel asks for by their own names.
    (r"(sch|cls|act)_", "configures traffic control"),  # before Linux 6.8
    (r"(iptable|ip6table|arptable|ebtable)_", "lists a table of iptables"),  # xt_find_table_lock
    (r"xt_", "adds a rule of iptables"),  # xt_find_target
    (r"ip_vs_", "configures IPVS"),
)

_PLUGGED = {
    "usb": "USB",
    "hid": "USB or Bluetooth",
    "pci": "PCI, such as Thunderbolt",
    "ieee1394": "FireWire",
    "pcmcia": "PCMCIA",
    "sdio": "SDIO",
    "mmc": "MMC",
    "tbsvc": "Thunderbolt",
    "typec": "USB-C",
    "ulpi": "USB",
}
"""The buses that a person can plug a device into."""

SOCKETS_NEEDED = {
    "net-pf-16-proto-4-type-2-33": ("net-pf-2-proto-33", "dccp_ipv4"),
    "net-pf-16-proto-4-type-2-132": ("net-pf-2-proto-132", "sctp"),
    "net-pf-16-proto-4-type-30": ("net-pf-30", "tipc"),
    "net-pf-16-proto-4-type-40": ("net-pf-40", "vsock"),
    "net-pf-16-proto-4-type-43": ("net-pf-43", "smc"),
}
"""What must be there before the kernel asks for an alias: the alias of it, and its module.

`sock_load_diag_module` (since Linux 4.17) asks for information about sockets of a family or
protocol only when that is there. Debian took away the aliases of DCCP and TIPC.
"""

_USER = [(re.compile(pattern), words) for pattern, words in _BY_USER]
_NAMES = [(re.compile(pattern), words) for pattern, words in _NAMES_IN_NAMESPACE]
_NAMESPACE = [(re.compile(pattern), words) for pattern, words in _IN_NAMESPACE]


def reach_of(alias: str, switches: Switches) -> tuple[Reach, str]:
    """Return who can make the kernel ask for an alias, and what they do.

    Args:
        alias: of a module, as modules.alias has it.
        switches: of the system.
    """
    bus, colon, _ = alias.partition(":")
    if colon and bus in _PLUGGED:
        return Reach.DEVICE, f"plugs in a device ({_PLUGGED[bus]})"
    if not switches.autoload:
        return Reach.ROOT, ""
    if colon:
        if bus == "devname":
            if alias[8:] in switches.open_nodes:
                return Reach.USER, f"opens /dev/{alias[8:]}"
            return Reach.ROOT, ""
        if not alias.startswith(("ip_set_", "net-pf-")):
            return Reach.ROOT, ""  # a part of the machine that nobody plugs in
    if alias.startswith(("crypto-", "algif-")):
        if switches.crypto_sockets:
            return Reach.USER, "uses this algorithm with an AF_ALG socket"  # alg_bind
        return Reach.ROOT, ""
    if alias.startswith("tty-ldisc-"):
        if switches.line_disciplines:
            return Reach.USER, "sets the line discipline of a terminal"  # tty_ldisc_get
        return Reach.ROOT, ""
    for pattern, words in _USER:
        if pattern.match(alias):
            return Reach.USER, words
    for pattern, words in _NAMESPACE:
        if pattern.match(alias):
            return (Reach.NAMESPACE if switches.namespaces else Reach.ROOT), words
    return Reach.ROOT, ""


def reach_of_name(name: str, switches: Switches) -> tuple[Reach, str]:
    """Return who can make the kernel ask for a module by its own name.

    A blacklist does not stop such a load.
    """
    if not switches.autoload:
        return Reach.ROOT, ""
    if name.startswith("algif_") and switches.crypto_sockets:
        return Reach.USER, "binds an AF_ALG socket"  # alg_bind
    for pattern, words in _NAMES if switches.namespaces else ():
        if pattern.match(name):
            return Reach.NAMESPACE, words
    return Reach.ROOT, ""


def settings(switches: Switches) -> tuple[str, ...]:
    """Return the settings that keep users from having modules loaded, as sentences."""
    sentences = []
    if switches.modules_disabled:
        sentences.append("No module can be loaded until reboot: kernel.modules_disabled = 1.")
    if not switches.autoload:
        sentences.append("The kernel loads no module by itself: kernel.modprobe is empty.")
    if switches.why_no_namespaces:
        why = switches.why_no_namespaces
        sentences.append(f"Ordinary users cannot create user namespaces: {why}.")
    return tuple(sentences)

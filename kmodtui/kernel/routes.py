"""Finds the network interface of a connection in the kernel's tables.

Formats: `fib_route_seq_show` in net/ipv4/fib_trie.c for /proc/net/route, `if6_seq_show` in
net/ipv6/addrconf.c for /proc/net/if_inet6.
"""

from __future__ import annotations

import ipaddress

from kmodtui.kernel.host import Host
from kmodtui.model.text import decode

_MAX_DEPTH = 8  # of stacked interfaces, such as a VLAN on a bond on two cards


def connection_interfaces(host: Host, connection: str) -> frozenset[str]:
    """Return the interfaces that an SSH connection uses, including lower interfaces.

    Args:
        host: the system that the user is connected to.
        connection: the value of SSH_CONNECTION: client, its port, server, its port.
    """
    fields = connection.split()
    if len(fields) != 4:
        return frozenset()
    client, _, scope = fields[0].partition("%")
    server = fields[2].partition("%")[0]
    first = scope
    try:
        if not first and ipaddress.ip_address(server).version == 6:
            first = _interface_of(host, ipaddress.IPv6Address(server))
        elif not first:
            first = _route_to(host, ipaddress.IPv4Address(client))
    except ValueError:
        return frozenset()
    return _with_lower(host, first) if first else frozenset()


def _route_to(host: Host, address: ipaddress.IPv4Address) -> str:
    """Return the interface of the route with the longest prefix that matches an address."""
    best, longest = "", -1
    for line in _lines(host, "/proc/net/route")[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        # The kernel prints both as integers in host byte order, assumed to be little-endian.
        target, mask = (_from_little_endian(fields[number]) for number in (1, 7))
        if int(address) & mask == target and mask > longest:
            best, longest = fields[0], mask
    return best


def _from_little_endian(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


def _interface_of(host: Host, address: ipaddress.IPv6Address) -> str:
    """Return the interface that has this address; empty if none has."""
    if (mapped := address.ipv4_mapped) is not None:
        return _route_to(host, mapped)
    for line in _lines(host, "/proc/net/if_inet6"):
        fields = line.split()
        if len(fields) == 6 and fields[0] == address.packed.hex():
            return fields[5]
    return ""


def _with_lower(host: Host, name: str) -> frozenset[str]:
    found = {name}
    for _ in range(_MAX_DEPTH):
        below = {
            entry.removeprefix("lower_")
            for interface in found
            for entry in _listed(host, f"/sys/class/net/{interface}")
            if entry.startswith("lower_")
        }
        if below <= found:
            break
        found |= below
    return frozenset(found)


def _lines(host: Host, path: str) -> list[str]:
    try:
        return decode(host.read(path)).splitlines()
    except OSError:
        return []


def _listed(host: Host, path: str) -> list[str]:
    try:
        return host.listdir(path)
    except OSError:
        return []

"""Network addresses that outgoing requests may be sent to: public ones, and those that the operator allows."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# `is_global` alone admits addresses that contain a private one, and some special networks.
_DENIED_4: Final = [
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; metadata of some clouds
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public number that a cloud answers for its own machines
        "169.254.0.0/16",  # this link; metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocols
        "192.0.2.0/24",
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # automatic multicast tunnels
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
_PUBLIC_6: Final = IPv6Network("2000::/3")
_DENIED_6: Final = [
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocols, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",
    )
]
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_ISATAP: Final = (0x00005EFE, 0x02005EFE)


def unwrap_address(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for (mapped or NAT64), and any other unchanged."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether an address, or the IPv4 address inside it, belongs to the public internet."""
    address = unwrap_address(address)
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _DENIED_4)
    if address.scope_id or address not in _PUBLIC_6 or any(address in network for network in _DENIED_6):
        return False
    tunnel = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    return address.is_global and not (tunnel and not is_public(IPv4Address(int(address) & 0xFFFFFFFF)))


class Guard:
    """Admits public addresses and those of networks that the operator has named."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self.allowed: list[Network] = [ip_network(text, strict=False) for text in allowed]

    def admits(self, text: str) -> bool:
        """Whether the server may connect to this address."""
        try:
            address = ip_address(text)
        except ValueError:
            return False
        meant = unwrap_address(address)
        return any(meant in network or address in network for network in self.allowed) or is_public(address)

"""Which addresses belong to the public internet. Everything else is refused.

`ipaddress.is_global` alone is not enough: it lets through multicast, NAT64, 6to4 and v4-compatible
addresses that lead to private ones, and its tables differ between versions of Python. So IPv6 must
lie in the one block that is given out to the world, and what is set aside inside it is listed here,
as is what IPv4 sets aside. The lists follow IANA's registries of special-purpose addresses.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

RESERVED_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local: the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
GLOBAL_UNICAST_6 = IPv6Network("2000::/3")
RESERVED_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
    )
)


def is_public(address: Address) -> bool:
    """Whether anyone on the internet could reach this very address."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in RESERVED_4)
    return (
        address in GLOBAL_UNICAST_6
        and address.is_global
        and not any(address in network for network in RESERVED_6)
    )

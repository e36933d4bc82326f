"""The families of the public lists of SSRF payloads, written out as one table.

Each entry is a family and a URL that must be refused before anything is connected to, with http,
https and every port allowed: only the reading of the URL and the judgement of addresses defend.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

# Of each kind of address that is not public, by family.
PRIVATE_4 = {
    "loopback": ("127.0.0.1", "127.0.0.2", "127.127.127.127", "127.255.255.254"),
    "unspecified": ("0.0.0.0", "0.1.2.3"),  # noqa: S104
    "metadata": ("169.254.169.254", "169.254.170.2", "169.254.169.123", "100.100.100.200"),
    "link-local": ("169.254.0.1", "169.254.255.255"),
    "private": ("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    "carrier NAT": ("100.64.0.1", "100.127.255.255"),
    "protocol": ("192.0.0.1", "192.0.0.8", "192.0.0.192", "192.88.99.1"),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1"),
    "benchmarking": ("198.18.0.1", "198.19.255.255"),
    "multicast": ("224.0.0.1", "233.252.0.1", "239.255.255.255"),
    "reserved": ("240.0.0.1", "255.255.255.255"),
}
PRIVATE_6 = {
    "loopback": ("::1", "0:0:0:0:0:0:0:1", "0000::1"),
    "unspecified": ("::", "::0"),
    "metadata": ("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
    "link-local": ("fe80::1", "fe80::a9fe:a9fe", "febf::1"),
    "site-local": ("fec0::1",),
    "unique local": ("fc00::1", "fd12:3456:789a::1"),
    "multicast": ("ff02::1", "ff0e::1"),
    "discard": ("100::1", "100:0:0:1::1"),
    "documentation": ("2001:db8::1", "3fff::1"),
    "benchmarking": ("2001:2::1",),
    "ORCHID": ("2001:10::1", "2001:20::1"),
    "SRv6": ("5f00::1",),
    "6bone": ("3ffe::1",),
    "reserved": ("4000::1", "e000::1", "200::1"),
    "local NAT64": ("64:ff9b:1::7f00:1", "64:ff9b:1:ffff::a9fe:a9fe"),
    "translated": ("::ffff:0:127.0.0.1", "::ffff:0:169.254.169.254"),
}
# What an IPv4 address looks like inside an IPv6 one.
WRAPPED = {
    "mapped": "::ffff:{dotted}",
    "mapped, in hex": "::ffff:{high:x}:{low:x}",
    "mapped, in full": "0:0:0:0:0:ffff:{high:04x}:{low:04x}",
    "compatible": "::{dotted}",
    "NAT64": "64:ff9b::{dotted}",
    "NAT64, in hex": "64:ff9b::{high:x}:{low:x}",
    "6to4": "2002:{high:x}:{low:x}::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:{nothigh:x}:{notlow:x}",
}
TARGETS = ("127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "0.0.0.0")  # noqa: S104
PUBLIC = ("8.8.8.8", "1.1.1.1")  # refused all the same when wrapped or written as a number


def spellings(dotted: str) -> Iterator[tuple[str, str]]:
    """Ways of writing an IPv4 address that some parser somewhere takes for it."""
    a, b, c, d = IPv4Address(dotted).packed
    number = int(IPv4Address(dotted))
    yield "decimal", f"{number}"
    yield "decimal, overflowing", f"{number + 2**32}"
    yield "hex", f"0x{number:08x}"
    yield "hex, upper case", f"0X{number:08X}"
    yield "hex, long", f"0x{'0' * 8}{number:08x}"
    yield "octal", f"0{number:o}"
    yield "octal, long", f"{'0' * 7}{number:o}"
    yield "dotted hex", f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"
    yield "dotted octal", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield "dotted octal, padded", f"{a:08o}.{b:08o}.{c:08o}.{d:08o}"
    yield "mixed", f"0x{a:x}.{b}.0{c:o}.{d}"
    yield "mixed, hex last", f"{a}.{b}.{c}.0x{d:x}"
    yield "two parts", f"{a}.{number & 0xFFFFFF}"
    yield "three parts", f"{a}.{b}.{number & 0xFFFF}"
    yield "overflowing parts", f"{a + 256}.{b + 256}.{c + 256}.{d + 256}"
    yield "padded with zeros", f"{a:03d}.{b:03d}.{c:03d}.{d:03d}"
    yield "trailing dot", f"{dotted}."
    yield "five parts", f"{dotted}.0"
    yield "enclosed digits", dotted.translate({48: "⓪", **{49 + i: 0x2460 + i for i in range(9)}})
    yield "full width", dotted.translate({48 + i: 0xFF10 + i for i in range(10)})
    yield "ideographic dots", dotted.replace(".", "。")
    yield "percent-encoded", "".join(f"%{ord(each):02x}" for each in dotted)


def addresses() -> Iterator[tuple[str, str]]:
    for family, members in PRIVATE_4.items():
        for address in members:
            yield f"{family} address", f"http://{address}/"
            yield f"{family} address, port", f"https://{address}:8443/latest/meta-data/"
    for family, members in PRIVATE_6.items():
        for address in members:
            yield f"{family} IPv6 address", f"http://[{address}]/"
            yield (
                f"{family} IPv6 address, in full",
                f"https://[{IPv6Address(address).exploded}]:80/",
            )


def disguised() -> Iterator[tuple[str, str]]:
    for dotted in TARGETS:
        for family, host in spellings(dotted):
            yield family, f"http://{host}/"
    for dotted in TARGETS + PUBLIC:
        number = int(IPv4Address(dotted))
        high, low = number >> 16, number & 0xFFFF
        for family, form in WRAPPED.items():
            parts = {"high": high, "low": low, "nothigh": high ^ 0xFFFF, "notlow": low ^ 0xFFFF}
            yield family, f"http://[{form.format(dotted=dotted, **parts)}]/"


SCHEMES = (
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "file:/proc/self/environ",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stat",
    "ftp://127.0.0.1/",
    "sftp://127.0.0.1:22/",
    "tftp://127.0.0.1:69/x",
    "ldap://127.0.0.1:389/",
    "ldaps://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "netdoc:///etc/passwd",
    "data:image/png;base64,iVBORw0KGgo=",
    "javascript:alert(1)",
    "ws://127.0.0.1/",
    "smb://127.0.0.1/share",
    "telnet://127.0.0.1/",
    "php://filter/resource=/etc/passwd",
    "expect://id",
    "view-source:http://127.0.0.1/",
    "unix:///var/run/docker.sock",
    "http+unix://%2fvar%2frun%2fdocker.sock/",
    "s3://bucket/key",
    "blob:http://127.0.0.1/",
    "about:blank",
    "mailto:root@localhost",
    "HTTPS:127.0.0.1",
    "url:http://127.0.0.1/",
    "//127.0.0.1/",
    "/etc/passwd",
    "127.0.0.1",
    "localhost",
    "http",
    "http:",
    "http:/",
    "http://",
    "https:///x",
    "",
    "http:127.0.0.1/",
    "http:/127.0.0.1/",
    "http:///127.0.0.1/",
    "http:////127.0.0.1/",
)
USER_INFO = (
    "http://pictures.example@127.0.0.1/",
    "http://127.0.0.1@pictures.example/",
    "http://user:pass@pictures.example/",
    "http://:@pictures.example/",
    "http://@127.0.0.1/",
    "http://pictures.example:80@127.0.0.1:80/",
    "http://1.1.1.1 &@2.2.2.2# @3.3.3.3/",
    "http://127.0.0.1:80\\@pictures.example/",
    "http://a@b@127.0.0.1/",
    "http://pictures.example%40127.0.0.1/",
    "http://pictures.example%00@127.0.0.1/",
    "http://foo@[::1]:80/",
)
CONFUSED = (
    "http:\\\\127.0.0.1\\",
    "http://127.0.0.1\\.pictures.example/",
    "http://pictures.example\\@127.0.0.1/",
    "http://127.0.0.1\t/",
    "http://127.0.0.1\n/",
    "http://\r\n127.0.0.1/",
    " http://127.0.0.1/",
    "http://127.0.0.1/ ",
    "ht\ntp://127.0.0.1/",
    "http://pictures.example/\r\nHost: 127.0.0.1",
    "http://pictures.example/%0d%0a x",
    "http://pictures.example\x00.evil.example/",
    "http://127.0.0.1%2f.pictures.example/",
    "http://127.0.0.1%23.pictures.example/",
    "http://127.0.0.1%3f.pictures.example/",
    "http://127.0.0.1;pictures.example/",
    "http://127.0.0.1,pictures.example/",
    "http://{127.0.0.1}/",
    "http://127.0.0.1|pictures.example/",
    "http://pictures..example/",
    "http://.pictures.example/",
    "http://-pictures.example/",
    "http://pictures.example-/",
    f"http://{'a' * 64}.example/",
    f"http://{'a.' * 130}example/",
    "http://[::1/",
    "http://::1/",
    "http://[::1]x/",
    "http://x[::1]/",
    "http://[127.0.0.1]/",
    "http://[::1%25lo]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[::ffff:127.0.0.1%25lo]/",
    "http://[v1.x]/",
    "http://[]/",
    "http://[::1]@pictures.example/",
    "http://0/",
    "http://0x/",
    "http://00/",
    "http://1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0x7f.1/",
    "http://0177.1/",
    "http://017700000001/",
    "http://pictures.1/",
    "http://a.0x7f/",
    f"http://pictures.example/{'a' * 2048}",
    "http://pictures.example\u2028/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "http://LOCALHOST/",
)
PORTS = (
    "http://pictures.example:0/",
    "http://pictures.example:65536/",
    "http://pictures.example:-1/",
    "http://pictures.example:99999999999/",
    "http://pictures.example:80:80/",
    "http://pictures.example:x/",
    "http://pictures.example:8 0/",
    "http://pictures.example:٨٠/",
    "http://pictures.example:0x50/",
    "http://127.0.0.1:22/",
)
# Names that lead to private addresses; `NAMES` says where, as the DNS would.
NAMES = {
    "localhost": "127.0.0.1",
    "localhost.localdomain": "127.0.0.1",
    "ip6-localhost": "::1",
    "localtest.me": "127.0.0.1",
    "127.0.0.1.nip.io": "127.0.0.1",
    "169.254.169.254.nip.io": "169.254.169.254",
    "10-0-0-1.sslip.io": "10.0.0.1",
    "spoofed.burpcollaborator.net": "127.0.0.1",
    "customer1.app.localhost.my.company.127.0.0.1.nip.io": "127.0.0.1",
    "metadata.google.internal": "169.254.169.254",
    "metadata": "169.254.169.254",
    "instance-data": "169.254.169.254",
    "metadata.tencentyun.com": "169.254.0.23",
    "kubernetes.default.svc.cluster.local": "10.96.0.1",
    "host.docker.internal": "192.168.65.2",
    "consul.service.consul": "172.17.0.5",
    "vpce.internal": "fd00::1",
    "mapped.example": "::ffff:169.254.169.254",
    "nat64.example": "64:ff9b::a9fe:a9fe",
    "6to4.example": "2002:a9fe:a9fe::1",
    "teredo.example": "2001:0:4136:e378:8000:63bf:5601:5601",
    "zone.example": "fe80::1%2",
    "multicast.example": "224.0.0.251",
    "broadcast.example": "255.255.255.255",
    "cgnat.example": "100.64.0.1",
    "xn--bcher-kva.example": "10.1.2.3",
}


def table() -> list[tuple[str, str]]:
    listed = (
        ("scheme", SCHEMES),
        ("user info", USER_INFO),
        ("confusion", CONFUSED),
        ("port", PORTS),
    )
    found = [(family, url) for family, urls in listed for url in urls]
    found += [("name", f"https://{name}/") for name in NAMES]
    found += [("name, trailing dot", f"https://{name}./") for name in NAMES]
    found += [("name, upper case", f"https://{name.upper()}/") for name in NAMES]
    found += [("name, IDNA", "http://bücher.example/"), ("name, IDNA", "http://BÜCHER.example/")]
    return [*found, *addresses(), *disguised()]

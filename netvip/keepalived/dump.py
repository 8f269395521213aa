"""keepalived's JSON state dump, as instances and their roles."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_interface
from typing import Any

from netvip.core.ip import address
from netvip.core.model import IP, InstanceSpec, Role, Tri, Vip
from netvip.core.objects import Listed
from netvip.errors import DumpError
from netvip.keepalived import listed
from netvip.keepalived.declared import Declared
from netvip.keepalived.traps import in_unicast_trap

#: keepalived reports a VIP's own state among its configured words.
NO_TRACK = "no_track"
#: The VIP has a VMAC of its own.
USE_VMAC = "use_vmac"
#: Whether keepalived has added it.
IS_SET = " set"
#: keepalived 2.0 is the first that reacts to the loss of a VIP or of its source address (fact
#: lost-vip-by-version).
WATCHES_ADDRESSES = (2, 0)
#: keepalived.conf(5): advert_int is at most 255 s.
LONGEST_INTERVAL = 255.0
#: So many VIPs are parsed once.
VIPS_KEPT = 4096
#: What reading a document of another shape raises.
_UNEXPECTED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def parse(
    text: str, version: tuple[int, ...], declared: Mapping[str, Declared]
) -> tuple[tuple[InstanceSpec, Role], ...]:
    """The instances of a dump. `declared` tells what the configuration says besides.

    Raises DumpError where the text is no dump of keepalived's.
    """
    try:
        document = json.loads(text)
        entries = document["vrrp"] if isinstance(document, dict) else document
        return tuple(_instance(entry["data"], version, declared) for entry in entries)
    except _UNEXPECTED as problem:
        raise DumpError(f"keepalived's dump is not as expected: {problem!r}") from problem


def _instance(
    data: Mapping[str, Any], version: tuple[int, ...], declared: Mapping[str, Declared]
) -> tuple[InstanceSpec, Role]:
    name, interface = data["iname"], data["ifp_ifname"]
    own_link = data.get("vmac_ifname") or ""
    texts = (text.removesuffix(IS_SET) for text in (*data.get("vips", ()), *data.get("evips", ())))
    listed = [vip(text, own_link or interface, own_link) for text in texts]
    if own_link and interface == own_link:  # the dump names the configured one at its VIPs only
        interface = next((v.base for v in listed if v.interface == own_link and v.base), interface)
    vips = listed[: len(data.get("vips", ()))]
    family = socket.AF_INET6 if vips and vips[0].ip.version == 6 else socket.AF_INET
    known = declared.get(name, Declared())
    objects, unread = _objects(data)
    spec = InstanceSpec(
        name=name,
        interface=interface,
        vrid=int(data["vrid"]),
        family=int(family),
        vips=tuple(listed),
        priority=int(data["effective_priority"]),
        advert_interval=_seconds(data["adver_int"]),
        source_configured=known.source,
        track_file=known.track_file,
        watches_addresses=version >= WATCHES_ADDRESSES,
        peers=known.peers,
        refreshes=known.refreshes,
        sticks_without=_sticks_without(known, version),
        own_link=own_link,
        group=known.group,
        objects=objects,
        unread=unread,
    )
    state = int(data["state"])
    return spec, Role(state) if state in Role._value2member_map_ else Role.UNKNOWN


def _objects(data: Mapping[str, Any]) -> tuple[tuple[Listed, ...], tuple[str, ...]]:
    """Its virtual routes and rules, and the words of those that are not understood."""
    objects, unread = list[Listed](), list[str]()
    for key, read in (("vroutes", listed.route), ("vrules", listed.rule)):
        for text in data.get(key, ()):
            try:
                objects.append(read(text))
            except (ValueError, LookupError, StopIteration):
                unread.append(text)
    return tuple(objects), tuple(unread)


def _sticks_without(known: Declared, version: tuple[int, ...]) -> IP | None:
    """The address without which it stays in FAULT, if nothing else can be what holds it there."""
    if not in_unicast_trap(version) or not known.unicast or known.other_trackers:
        return None
    return ip_address(known.source_ip) if known.source is Tri.YES else None


def _seconds(value: Any) -> float:
    interval = float(value) or 1.0  # RFC 5798 5.2.7: one second where none is configured
    if not 0 < interval <= LONGEST_INTERVAL:
        raise ValueError(f"an advert interval of {value!r}")
    return interval


@lru_cache(VIPS_KEPT)  # each dump names the same ones, and a window waits for it
def vip(text: str, interface: str, own_link: str = "") -> Vip:
    """A virtual address as keepalived words it: "10.77.0.10/24 dev ens160 scope global set".
    own_link is the link that keepalived made for the instance."""
    words = text.split()
    where, base = ip_interface(words[0]), ""
    if "dev" in words[1:-1]:
        # A link above another reads vrrp.51@ens160, whoever made it (fact vmac-in-the-dump).
        interface, _, below = words[words.index("dev") + 1].partition("@")
        base = below if interface == own_link or USE_VMAC in words else ""
    ip, prefixlen = address(where.ip.packed), where.network.prefixlen
    return Vip(ip, prefixlen, interface, tracked=NO_TRACK not in words, base=base)

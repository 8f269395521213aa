"""Rules about systemd-networkd: what its files do to VIPs, and what else makes it act."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from netvip.core.model import Tri
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, Severity
from netvip.keepalived.configuration import IP, VirtualAddress
from netvip.networkd.files import FALSE, TRUE, Line, Settings
from netvip.networkd.owners import KEEPALIVED
from netvip.networkd.takes import KEEPS_MORE, Keep

#: Values of KeepConfiguration= that systemd knows besides booleans.
KEEP_WORDS = frozenset({"static", "dhcp", "dhcp-on-stop"})
#: Which actions delete the host's own address on a networkd that keeps the VIP (fact
#: own-addresses-go).
DELETES_OWN = {Keep.STATIC: "a reconfigure", Keep.YES: "a reload and a reconfigure"}
#: keepalived's names for interfaces of its own (vmac_ifname may choose another).
VMAC = re.compile(r"vrrp6?\.\d+")
#: Files that netplan writes anew.
NETPLAN = re.compile(r"\d+-netplan-")


def _vips(facts: Facts) -> Iterator[VirtualAddress]:
    for instance in facts.configuration.instances.values():
        yield from instance.addresses


def _governing(facts: Facts) -> dict[str, Settings]:
    """The .network files of the VIPs' interfaces."""
    interfaces = {address.interface for address in _vips(facts)}
    return {name: file for name, file in facts.networkd.governs.items() if name in interfaces}


def _at(severity: Severity, code: str, where: str, text: str, *instead: str) -> Finding:
    return Finding(code, severity, where, text, instead)


def _cure(line: Line, what: str) -> str:
    """What to do about a line; netplan would write its own file anew."""
    generated = NETPLAN.match(line.path.name)
    return f"{what} in /etc/netplan, and run netplan apply" if generated else f"{what} this line"


def keep_configuration(facts: Facts) -> Iterator[Finding]:
    """KeepConfiguration= that does less, or other things, than it seems to."""
    for name, file in _governing(facts).items():
        line = file.last("Network", "KeepConfiguration")
        if line is None:
            continue
        if line.value.lower() not in KEEP_WORDS | TRUE | FALSE:
            yield _at(
                Severity.WARNING,
                "NV401",
                line.where,
                f"systemd ignores KeepConfiguration={line.value}",
                "KeepConfiguration=no   # or static, dhcp, dhcp-on-stop, yes",
            )
            continue
        yield from _keeps(facts, name, line, Keep.of(line.value))


def _keeps(facts: Facts, name: str, line: Line, keep: Keep) -> Iterator[Finding]:
    version = facts.networkd.version
    if 0 < version < KEEPS_MORE and keep in DELETES_OWN:
        yield _at(
            Severity.WARNING,
            "NV401",
            line.where,
            f"with KeepConfiguration={line.value} {DELETES_OWN[keep]} of systemd {version} deletes "
            f"{name}'s own address and keeps the VIP, which becomes the primary address: the "
            "host's connections leave from it",
            _cure(line, "remove") + ": netvip keeps the VIP without it",
        )
    six = [a for a in _vips(facts) if a.interface == name and a.ip.version == 6]
    if keep is Keep.STATIC and six:
        yield _at(
            Severity.NOTE,
            "NV411",
            line.where,
            f"KeepConfiguration=static does not keep {six[0].ip}: systemd takes it for a leased "
            "address, as keepalived adds IPv6 VIPs with a preferred lifetime of 0",
        )


def manage_foreign_routes(facts: Facts) -> Iterator[Finding]:
    """A switch that keeps no IPv4 route where networkd deletes its own address."""
    conf, version = facts.networkd.conf, facts.networkd.version
    line = conf.last("Network", "ManageForeignRoutes")
    kept = line is None or conf.is_true("Network", "ManageForeignRoutes", True)
    if line is None or kept or not 0 < version < KEEPS_MORE:
        return
    names = sorted(n for n, file in _governing(facts).items() if not _keep(file).static)
    if names:
        yield _at(
            Severity.NOTE,
            "NV402",
            line.where,
            f"systemd {version} deletes the own address of {', '.join(names)} for a moment, and "
            "the kernel then all IPv4 routes there, those that this line is to keep as well",
        )


def _keep(file: Settings) -> Keep:
    line = file.last("Network", "KeepConfiguration")
    return Keep.of(line.value) if line else Keep.NO


#: What is deleted, what it is called, and the switch that keeps it.
SWITCHES = (
    ("rule", "routing policy rules", "ManageForeignRoutingPolicyRules"),
    ("route", "routes", "ManageForeignRoutes"),
)


def foreign(facts: Facts) -> Iterator[Finding]:
    """Routes and rules of others that each restart of networkd deletes for good."""
    for kind, plural, switch in SWITCHES:
        found = [
            item
            for item in facts.networkd.lost
            if item.kind == kind and item.owner.kind != KEEPALIVED  # it watches its own
        ]
        if not found:
            continue
        first = found[0]
        yield _at(
            Severity.WARNING,
            "NV403",
            "",
            f"the next restart of systemd-networkd deletes {len(found)} {plural} that it did not "
            f"configure, such as '{first.text}' (added by: {first.owner.name}); netvip preview "
            "shows all",
            f"{switch}=no   # in [Network] of /etc/systemd/networkd.conf; or the {plural} in a "
            ".network file",
        )


def vmac(facts: Facts) -> Iterator[Finding]:
    """An interface of keepalived's own that a .network file matches."""
    own = {a.interface for a in _vips(facts) if a.vmac}
    for name, file in facts.networkd.governs.items():
        if name in own or VMAC.fullmatch(name):
            matching = [line for line in file.lines if line.section == "Match"]
            where = matching[0].where if matching else f"{file.path}:1"
            yield _at(
                Severity.ERROR,
                "NV404",
                where,
                f"this file matches {name}, keepalived's own interface: systemd-networkd deletes "
                "the VIPs there",
                "[Match]   # in a file of its own: /etc/systemd/network/00-keepalived.network",
                f"Name=vrrp.* vrrp6.*{'' if VMAC.fullmatch(name) else f' {name}'}",
                "[Link]",
                "Unmanaged=yes",
            )


def written(facts: Facts) -> Iterator[Finding]:
    """A VIP that networkd adds itself, on whichever node."""
    vips: dict[IP, VirtualAddress] = {address.ip: address for address in _vips(facts)}
    for file in facts.networkd.governs.values():
        lines = (*file.all("Network", "Address"), *file.all("Address", "Address"))
        for line in lines:
            ip = _ip(line.value)
            if ip is not None and (vip := vips.get(ip)) is not None:
                yield _at(
                    Severity.ERROR,
                    "NV405",
                    line.where,
                    f"{vip.ip} is a VIP ({vip.statement.where}): systemd-networkd adds it on this "
                    "node, MASTER or not, and two nodes answer for it",
                    _cure(line, "remove"),
                )


def _ip(value: str) -> IP | None:
    try:
        return ip_address(value.partition("/")[0].strip())
    except ValueError:
        return None


def renderer(facts: Facts) -> Iterator[Finding]:
    """netplan hands the interfaces to NetworkManager."""
    if facts.hooks.renderer and facts.unmanaged:
        yield _at(
            Severity.NOTE,
            "NV406",
            facts.hooks.renderer,
            "netplan's renderer is NetworkManager: systemd-networkd does not manage "
            f"{', '.join(sorted(facts.unmanaged))}, and netvip sees nothing of NetworkManager's "
            "actions beforehand",
        )


def dispatcher(facts: Facts) -> Iterator[Finding]:
    """netvip's hook in networkd-dispatcher does not run."""
    hooks = facts.hooks
    if hooks.dispatcher_installed is Tri.NO:
        state, cure = "is not installed", "apt install networkd-dispatcher"
    elif hooks.dispatcher_runs is Tri.NO and hooks.dispatcher_installed is Tri.YES:
        state, cure = "does not run", "systemctl enable --now networkd-dispatcher.service"
    else:
        return
    yield _at(
        Severity.NOTE,
        "NV407",
        "",
        f"networkd-dispatcher {state}: netvip learns what networkd does to a link from D-Bus alone",
        cure,
    )


#: Has dpkg write conffiles again that are missing.
AGAIN = "apt install --reinstall -o Dpkg::Options::=--force-confmiss netvip"


def needrestart(facts: Facts) -> Iterator[Finding]:
    """needrestart without netvip's file."""
    hooks = facts.hooks
    if hooks.needrestart and not hooks.needrestart_hooked:
        when = "by itself" if hooks.needrestart_is_automatic else "when it is told to"
        yield _at(
            Severity.WARNING if hooks.needrestart_is_automatic else Severity.NOTE,
            "NV408",
            hooks.needrestart,
            f"needrestart restarts keepalived and systemd-networkd after an upgrade {when}: "
            "netvip's conf.d/netvip.conf, which leaves them out, is not in place",
            AGAIN,
        )


def unattended(facts: Facts) -> Iterator[Finding]:
    """unattended-upgrades without netvip's hook in apt."""
    if facts.hooks.unattended and not facts.hooks.apt_hooked:
        yield _at(
            Severity.WARNING,
            "NV409",
            facts.hooks.unattended,
            "unattended-upgrades may upgrade systemd, which restarts systemd-networkd, and apt "
            "does not tell netvip: apt.conf.d/50netvip is not in place",
            AGAIN,
        )


def drop_in(facts: Facts) -> Iterator[Finding]:
    """netvip's drop-in for systemd-networkd.service is hidden."""
    if facts.hooks.hides_drop_in:
        yield _at(
            Severity.WARNING,
            "NV410",
            facts.hooks.hides_drop_in,
            "this file hides netvip's drop-in for systemd-networkd.service: a restart does not "
            "wait for the shield",
            f"rm {facts.hooks.hides_drop_in.rpartition(':')[0]} && systemctl daemon-reload",
        )


RULES = (
    keep_configuration,
    manage_foreign_routes,
    foreign,
    vmac,
    written,
    renderer,
    dispatcher,
    needrestart,
    unattended,
    drop_in,
)

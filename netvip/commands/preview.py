"""netvip preview: show what the next restart, reload or reconfigure of systemd-networkd deletes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netvip.control import client
from netvip.control.status import Instance
from netvip.core.model import IP
from netvip.errors import DaemonUnreachable, NetvipError, Refused
from netvip.linux import routing
from netvip.networkd import changes, files, state
from netvip.networkd.fates import Protected
from netvip.networkd.owners import PROTOCOL_KEEPALIVED
from netvip.networkd.preview import Governed, Host, Item, Preview, preview
from netvip.networkd.takes import Action

if TYPE_CHECKING:
    from netvip.keepalived.configuration import VrrpInstance

ACTIONS = [action.value for action in Action]


def main(arguments: list[str]) -> int:
    """Print what goes; exit 1 if something is lost for good."""
    parser = argparse.ArgumentParser(prog="netvip preview", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument(
        "--action",
        nargs="+",
        default=[Action.RESTART.value],
        metavar=("ACTION", "INTERFACE"),
        help="restart (as if none is given), reload, or reconfigure INTERFACE",
    )
    options = parser.parse_args(arguments)
    word, *interfaces = options.action
    if word not in ACTIONS:
        parser.error(f"unknown action {word!r}: use restart, reload, or reconfigure INTERFACE")
    action = Action(word)
    if len(interfaces) != (action is Action.RECONFIGURE):
        parser.error("reconfigure needs one INTERFACE, restart and reload have none")
    found = preview(gather(), action, *interfaces)
    print(json.dumps(plain(found), indent=2) if options.json else "\n".join(lines(found)))
    return int(bool(found.lost))


def gather() -> Host:
    """This host. Raises NetworkdUnreachable if networkd does not answer."""
    reported = state.ask()
    links = tuple(_governed(link) for link in reported.links.values() if link.managed)
    instances = _instances()
    vips = {place: instance["name"] for instance in instances for place in _places(instance)}
    objects = routing.read()
    protected = {
        place: instance["mode"] == "guarded"
        for instance in instances
        if instance["state"] == "MASTER" and not instance["unprotected"]
        for place in _places(instance)
    }
    names = {vips[place] for place in protected}
    virtual = _virtual(names) if names and _has_keepalived_s(objects) else {}
    conf = files.networkd_conf()
    return Host(
        objects, reported, links, conf, vips or _vips_of_files(), Protected(protected, virtual)
    )


def _has_keepalived_s(objects: routing.Objects) -> bool:
    protocols = {route.protocol for route in objects.routes}
    return PROTOCOL_KEEPALIVED in protocols | {rule.protocol for rule in objects.rules}


def _governed(link: state.ManagedLink) -> Governed:
    settings = files.network_file(Path(link.network_file))
    return Governed(link, settings, changes.changed(link, settings))


def _instances() -> list[Instance]:
    """The instances that the daemon reports; none where it does not run."""
    try:
        return client.status()["instances"]
    except (DaemonUnreachable, Refused):
        return []


def _places(instance: Instance) -> list[tuple[str, IP]]:
    return [
        (vip["interface"], ip_address(vip["address"].partition("/")[0])) for vip in instance["vips"]
    ]


def _configured() -> list[VrrpInstance]:
    """The instances of keepalived.conf. Reading it costs more than the rest: only where needed."""
    from netvip import config
    from netvip.keepalived.reader import read

    try:
        return list(read(config.load().keepalived_conf).instances.values())
    except (NetvipError, OSError):
        return []  # without it an owner or a fate is unknown, no more


def _vips_of_files() -> dict[tuple[str, IP], str]:
    """The VIPs of keepalived.conf, where there is no daemon to ask."""
    return {
        (address.interface, address.ip): instance.name
        for instance in _configured()
        for address in instance.addresses
    }


def _virtual(names: set[str]) -> dict[str, bool]:
    """The words of the virtual routes and rules of these instances; whether keepalived watches
    them."""
    instances = [instance for instance in _configured() if instance.name in names]
    objects = [one for instance in instances for one in (*instance.routes, *instance.rules)]
    return {word: one.tracked for one in objects for word in one.words}


def plain(found: Preview) -> Mapping[str, Any]:
    """The preview as JSON has it."""
    return {
        "action": found.action.value,
        "systemd": found.version,
        "measured": found.measured,
        "links": [
            {
                "interface": governed.link.name,
                "file": str(governed.settings.path),
                "keep": governed.keep.value,
                "changed": governed.changed.value,
            }
            for governed in found.links
        ],
        "untouched": list(found.untouched),
        "taken": [
            {
                "kind": item.kind,
                "object": item.text,
                "interface": item.interface,
                "owner": item.owner.kind,
                "told": item.owner.name,
                "with": item.why,
                "fate": item.fate.name.lower(),
                "comes_back": item.fate.comes_back,
            }
            for item in found.items
        ],
        "remarks": list(found.remarks),
    }


def lines(found: Preview) -> Iterator[str]:
    """The preview as text."""
    names = ", ".join(governed.link.name for governed in found.links)
    if not found.links:
        yield f"a {found.action.value} of systemd-networkd {found.version} deletes nothing"
        if found.action is Action.RELOAD:
            yield "no .network file has changed since systemd-networkd read it"
        return
    yield f"a {found.action.value} of systemd-networkd {found.version} configures {names} anew"
    for governed in found.links:
        yield (
            f"{governed.link.name}: {governed.settings.path}, "
            f"KeepConfiguration={governed.keep.value}"
        )
        yield from (_line(i) for i in found.items if i.interface == governed.link.name)
    others = [item for item in found.items if not item.interface]
    yield from ["of the whole host:"] if others else []
    yield from map(_line, others)
    if found.untouched:
        yield f"left alone: {', '.join(found.untouched)}"
    yield from found.remarks
    lost = len(found.lost)
    back = len(found.items) - lost
    yield f"{len(found.items)} deleted: {back} put back or added again, {lost} lost"


def _line(item: Item) -> str:
    goes = f" (goes {item.why})" if item.why else ""
    return f"  {item.kind} {item.text}{goes}; {item.owner.name}; {item.fate.value}"

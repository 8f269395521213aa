"""netvip status: show instances, VIPs, open windows and holds."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence

from netvip.control import client
from netvip.control.status import Status, Vip
from netvip.core.model import in_words
from netvip.linux.outdated_services import outdated


def main(arguments: list[str]) -> int:
    """Print the daemon's status; exit 1 if an instance has failed or netvip has a problem."""
    parser = argparse.ArgumentParser(prog="netvip status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    options = parser.parse_args(arguments)
    document, restart = client.status(), outdated()
    if options.json:
        print(json.dumps({**document, "outdated": restart}, indent=2))
    else:
        print("\n".join(lines(document, restart)))
    bad = any(
        instance["verdict"] == "failed"
        or (instance["unprotected"] and instance["mode"] == "guarded")
        for instance in document["instances"]
    )
    return 1 if bad or document["problem"] else 0


def lines(document: Status, outdated: Sequence[str] = ()) -> Iterator[str]:
    """The status as text; outdated names the services that use replaced libraries."""
    yield f"netvip {document['version']}"
    if document["problem"]:
        yield document["problem"]
    yield from document["elsewhere"]
    for instance in document["instances"]:
        yield (
            f"{instance['name']}: {instance['state']} on {instance['interface']}, vrid "
            f"{instance['vrid']}, {instance['mode']}, {instance['verdict']}"
        )
        if instance["unprotected"]:
            yield f"  not protected: {instance['unprotected']}; keepalived alone looks after it"
            if instance["mode"] == "guarded":
                yield "  guarded although not protected; run netvip adopt --revert"
        if instance["lapsed"]:
            yield f"  no longer guarded: {instance['lapsed']}; see netvip adopt"
        if instance["managed"] == "no":
            where = {vip["interface"] for vip in instance["vips"]} or {instance["interface"]}
            place = ", ".join(sorted(where))
            yield f"  systemd-networkd does not manage {place}: it deletes nothing there"
        yield from map(_vip, instance["vips"])
        missing = [thing["object"] for thing in instance["objects"] if not thing["present"]]
        if missing:
            yield f"  missing: virtual {in_words(missing)}"
        yield from (f"  {problem}; see netvip verify" for problem in instance["check"]["faults"])
        for ignored in instance["ignored"]:
            yield (
                f"  {ignored['sender']} sends adverts that keepalived ignores "
                f"({ignored['count']} so far): {ignored['why']}"
            )
        if instance["conflict"]["with"]:
            yield f"  another host ({instance['conflict']['with']}) answers for the VIPs"
    if missing := [thing["object"] for thing in document["static"] if not thing["present"]]:
        yield f"missing: static {in_words(missing)}"
    for window in document["windows"]:
        left = max(0.0, window["deadline"] - time.time())
        yield f"window on {window['interface']}: {window['reason']}; ends within {left:.0f} s"
    if not document["windows"]:
        yield "no window is open"
    for hold in document["holds"]:
        times = f" ({hold['count']} times)" if hold["count"] > 1 else ""
        left = max(0.0, hold["until"] - time.time()) / 60
        yield f"hold '{hold['reason']}'{times}, ends within {left:.0f} min"
    for unit in outdated:
        yield f"{unit} uses libraries that an upgrade has replaced; restart it when convenient"


def _vip(vip: Vip) -> str:
    words = ["present" if vip["present"] else "absent"]
    words += ["shielded"] if vip["shielded"] else []
    words += ["routed by a rule of the operator's"] if vip["steered"] else []
    return f"  {vip['address']} on {vip['interface']}: {', '.join(words)}"

"""netvip doctor: find mistakes in keepalived's configuration, its scripts and this host."""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from netvip import config
from netvip.commands.preview import gather as look
from netvip.core.model import Tri
from netvip.doctor import facts as gather
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, Severity
from netvip.doctor.judgement import judge
from netvip.doctor.networkd_facts import Networkd, hooks, networkd
from netvip.doctor.rules import apply_rules
from netvip.errors import DumpError, NetworkdUnreachable
from netvip.keepalived.reader import read


def main(arguments: list[str]) -> int:
    """Print the findings; exit 1 if one is more than a note."""
    parser = argparse.ArgumentParser(prog="netvip doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    parser.add_argument(
        "--config", type=Path, help="examine this file only, which may be another host's"
    )
    options = parser.parse_args(arguments)
    found = apply_rules(_elsewhere(options.config) if options.config else _here())
    if options.json:
        print(json.dumps([_plain(finding) for finding in found], indent=2))
    else:
        print("\n".join(line for finding in found for line in _lines(finding)) or "no findings")
        if found:
            print(_summary(found))
    return int(any(finding.severity is not Severity.NOTE for finding in found))


def _plain(finding: Finding) -> dict[str, Any]:
    return asdict(finding) | {"severity": finding.severity.value}


def _lines(finding: Finding) -> list[str]:
    place = f"{finding.where}: " if finding.where else ""
    first = f"{place}{finding.severity.value} {finding.code}: {finding.text}"
    return [first, *(f"    {line}" for line in finding.instead)]


def _summary(found: list[Finding]) -> str:
    """How many findings there are of each severity: 2 errors, 1 warning."""
    numbers = {severity: sum(f.severity is severity for f in found) for severity in Severity}
    told = [f"{n} {s.value}{'s' if n > 1 else ''}" for s, n in numbers.items() if n]
    return ", ".join(told)


def _elsewhere(path: Path) -> Facts:
    configuration = read(path)
    return Facts(configuration, commands=gather.commands(configuration, here=False))


def _here() -> Facts:
    from netvip.keepalived.ask import ask_once
    from netvip.keepalived.current import current
    from netvip.sources.filters import look

    main_file = config.load().keepalived_conf
    now = asyncio.run(current(main_file))
    where, build = now.place, now.build
    configuration = read(where.main_file, node=now.node, version=build.version, root=where.root)
    addresses = [a for i in configuration.instances.values() for a in i.addresses]
    interfaces = {address.interface for address in addresses}
    hurts, why = asyncio.run(look())
    try:
        running = asyncio.run(ask_once(main_file)) if build.json is Tri.YES else None
    except DumpError:
        running = None  # keepalived is not running or gives no dump: there is nothing to compare
    return Facts(
        configuration,
        build.version,
        build.json,
        gather.commands(configuration, here=not where.is_contained),
        gather.own_addresses({address.ip for address in addresses}),
        gather.sysctl("promote_secondaries", interfaces),
        gather.sysctl("arp_ignore", interfaces),
        why if hurts is Tri.YES else "",
        gather.users(configuration),
        gather.unmanaged(interfaces),
        gather.missing_directories(configuration),
        gather.waits(),
        running,
        _networkd(),
        hooks(),
        gather.adopted(),
        None if where.is_contained else judge(main_file),
    )


def _networkd() -> Networkd:
    try:
        return networkd(look())
    except (NetworkdUnreachable, OSError):
        return Networkd()  # it does not run: nothing is known of what it would do

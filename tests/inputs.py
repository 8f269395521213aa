"""`python -m tests.inputs`: what is expected of each input, and what netvip makes of it.

The inputs are minimal files on which netvip and keepalived disagreed; each is one of a kind. What
is expected follows from what keepalived 2.2.7 and 2.3.3 do with the file.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from netvip.doctor.facts import Facts, commands
from netvip.doctor.rules import apply_rules
from netvip.errors import ConfigError
from netvip.keepalived.adoption import Host, adopted, foreign_scripts
from netvip.keepalived.declared import declaration
from netvip.keepalived.reader import read
from netvip.keepalived.script_files import missing

PLACE = Path(__file__).parent / "unit/inputs"
HOST = Host((2, 3, 3), {("eth0", 4): ip_address("192.0.2.1")})
#: The scripts that must exist for the inputs to make sense.
THERE = ("/usr/local/bin/check-web", "/usr/local/bin/check-owned-by-app")
#: Findings that nearly every file has that is not guarded.
USUAL = frozenset({"NV101", "NV102", "NV103", "NV104", "NV111", "NV113", "NV122", "NV123", "NV124"})
SWITCHES = ("vrrp_notify_fifo", "notify_fifo", "script_user", "enable_script_security")


@dataclass(frozen=True, slots=True)
class Row:
    """A file, what is looked at, what is expected, and what is seen."""

    name: str
    about: str
    expected: str
    seen: Callable[[Path], str]


def vips(path: Path) -> str:
    """The instances and their VIPs."""
    instances = read(path).instances.values()
    told = (f"{i.name}: {' '.join(str(a.ip) for a in i.addresses) or 'no VIP'}" for i in instances)
    return "; ".join(told) or "no instance"


def ends(path: Path) -> str:
    """Sources and peers."""
    (instance,) = read(path).instances.values()
    return f"{instance.source_ip} to {' '.join(map(str, instance.unicast_peers))}"


def findings(path: Path) -> str:
    """What doctor finds besides the usual."""
    configuration = read(path)
    looked_at = {
        line: command
        for line, command in commands(configuration, here=True).items()
        if not line.startswith(THERE)
    }
    found = apply_rules(Facts(configuration, (2, 3, 3), commands=looked_at))
    return " ".join(f.code for f in found if f.code not in USUAL) or "nothing"


def added(path: Path, wrap_checks: bool = False) -> list[str]:
    """The lines of the adopted file that the file does not have, in order."""
    configuration = read(path)
    scripts = {line.command for line in foreign_scripts(configuration)}
    gone = missing(command for command in scripts if not command.startswith(THERE))
    unnamed = "enable_script_security" in path.read_text()
    host = replace(HOST, missing=gone, no_default_user=unnamed)
    changed = adopted(configuration, host, wrap_checks)
    text = changed.get(path, path.read_text(errors="replace"))
    before = {line.strip() for line in path.read_text(errors="replace").splitlines()}
    return [line.strip() for line in text.splitlines() if line.strip() not in before]


def switches(path: Path) -> str:
    """The lines that adopt adds for all scripts."""
    found = [line for line in added(path) if line.split()[:1] and line.split()[0] in SWITCHES]
    return "; ".join(found)


def vip_lines(path: Path) -> str:
    """The VIPs' lines that adopt changes."""
    return "; ".join(line for line in added(path) if line.endswith("no_track"))


def wrapped(path: Path) -> str:
    """The checks that adopt --wrap-checks changes."""
    own = "/etc/netvip/keepalived-hold"
    return "; ".join(line for line in added(path, wrap_checks=True) if own in line) or "none"


def names(path: Path) -> str:
    """What adopt calls its check."""
    return "; ".join(line for line in added(path) if line.startswith("vrrp_script"))


def refusal(path: Path) -> str:
    """Why adopt refuses it."""
    try:
        added(path)
    except ConfigError as problem:
        return str(problem).partition(": ")[2]
    return "not refused"


def in_time(path: Path) -> str:
    """Whether 255 instances are read within a second."""
    written = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    with TemporaryDirectory() as place:
        conf = Path(place, "keepalived.conf")
        conf.write_text(written.stdout)
        begun = time.process_time()
        found = declaration(conf, None, ()).instances
        return f"{len(found)} instances within 1 s: {time.process_time() - begun < 1}"


FIFO = "vrrp_notify_fifo /run/netvip/fifo root"
ALL = f"{FIFO}; script_user root; enable_script_security"
ROWS = (
    Row("01-notify-script-missing.conf", "adopt, switches", ALL, switches),
    Row("02-program-not-installed.conf", "doctor", "NV221 NV222", findings),
    Row("02-program-not-installed.conf", "adopt, switches", ALL, switches),
    Row("03-security-without-user.conf", "adopt, switches", FIFO, switches),
    Row("03-security-without-user.conf", "adopt --wrap-checks", "none", wrapped),
    Row("04a-misc-check.conf", "adopt, switches", FIFO, switches),
    Row("04b-quorum-up.conf", "adopt, switches", FIFO, switches),
    Row("04c-fifo-script.conf", "adopt, switches", FIFO, switches),
    Row("05-variable-in-vip-line.conf", "adopt", "192.0.2.10/24 dev $IF no_track", vip_lines),
    Row("06a-extra-brace.conf", "VIPs", "WEB: 192.0.2.10", vips),
    Row("06a-extra-brace.conf", "doctor", "NV133", findings),
    Row("06b-missing-brace.conf", "VIPs", "WEB: 192.0.2.10", vips),
    Row("06b-missing-brace.conf", "doctor", "NV133", findings),
    Row("07-missing-value.conf", "doctor", "NV131", findings),
    Row(
        "07-missing-value.conf",
        "adopt",
        "priority lacks its value: keepalived ends there with exit status 2 and runs nothing; "
        "write the value, then run netvip adopt again",
        refusal,
    ),
    Row("08a-no-instance.conf", "doctor", "NV135", findings),
    Row("08b-bom.conf", "doctor", "NV130 NV135", findings),
    Row("08c-typo.conf", "doctor", "NV130 NV135", findings),
    Row("09-unknown-block.conf", "VIPs", "WEB: no VIP", vips),
    Row("09-unknown-block.conf", "doctor", "NV130", findings),
    Row("10-source-with-length.conf", "source and peers", "192.0.2.1 to 192.0.2.2", ends),
    Row("10-source-with-length.conf", "doctor", "nothing", findings),
    Row("11-master-nopreempt-weight.conf", "doctor", "NV112", findings),
    Row("12-owner-weight.conf", "doctor", "NV210", findings),
    Row("14-wrap-openable-file.conf", "adopt --wrap-checks", "none", wrapped),
    Row("15-many-instances.py", "declaration", "255 instances within 1 s: True", in_time),
    Row("17-no-interface.conf", "VIPs", "WEB: 192.0.2.10", vips),
    Row("17-no-interface.conf", "adopt", "192.0.2.10/32 dev lo no_track", vip_lines),
    Row("18-name-with-blank.conf", "adopt", "vrrp_script netvip_my%20web {", names),
    Row("19-mcast-dst.conf", "doctor", "nothing", findings),
    Row("23-include-directory.conf", "VIPs", "A: 192.0.2.5", vips),
)


def main() -> int:
    """Print the table; exit 1 if something is not as expected."""
    failed = 0
    print("| file | what | expected | seen | |", "| --- | --- | --- | --- | --- |", sep="\n")
    for row in ROWS:
        seen = row.seen(PLACE / row.name)
        failed += seen != row.expected
        mark = "as expected" if seen == row.expected else "**differs**"
        print(f"| {row.name} | {row.about} | {row.expected} | {seen} | {mark} |")
    print(f"\n{len(ROWS) - failed} of {len(ROWS)} as expected")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())

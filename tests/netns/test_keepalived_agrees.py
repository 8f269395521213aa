"""The reader and a real keepalived find the same in a configuration.

keepalived runs from the lab's root file systems, in its own namespaces.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from netvip.core.model import Tri
from netvip.keepalived.configuration import VirtualAddress, VrrpInstance
from netvip.keepalived.declared import Declared
from netvip.keepalived.dump import parse
from netvip.keepalived.reader import read
from tests.lab.rootfs import rootfs
from tests.unit import keepalived_styles
from tests.unit.helpers import ROOT
from tests.unit.keepalived_corpus import CORPUS, write

#: The configurations that differ in more than layout, as keepalived is started for each. "a
#: condition by a definition" is left out: keepalived 2.2.7 reads it as `priority 110ity`.
NAMES = (
    "plain",
    "closed behind words",
    "comment for a brace",
    "a name of two words",
    "no_track",
    "every option of an address",
    "IPv6",
    "excluded",
    "a definition of many lines",
    "a sequence of steps, backwards, in hexadecimal",
    "a list of groups",
    "conditions",
    "an include with braces",
    "a second instance of a name is refused",
)
#: Prints keepalived's dump. Its mounts and processes end with its namespaces.
RUN = """
set -e
root=$1 conf=$2
mount --make-rprivate /
mount --bind "$root" "$root" # read-only: it is shared, and keepalived 2.3 writes to /etc/iproute2
mount -o remount,bind,ro "$root"
options=$root/etc/keepalived/keepalived.config-opts # 2.3 does not start without it
[ -e "$options" ] && options=$(cat "$options") || options=
for directory in tmp run etc/keepalived; do mount -t tmpfs tmpfs "$root/$directory"; done
mount -t proc proc "$root/proc"
cp -r "$conf/." "$root/etc/keepalived/"
echo "$options" >"$root/etc/keepalived/keepalived.config-opts"
ip link set lo up
for name in ens160 ens192; do
    ip link add "$name" type veth peer name "p-$name"
    ip link set "$name" up
    ip link set "p-$name" up
done
ip address add 10.77.0.1/24 dev ens160
chroot "$root" keepalived -n -l -i nodea >/dev/null 2>&1 &
for _ in $(seq 400); do
    [ -s "$root/run/keepalived.pid" ] && break
    sleep 0.05
done
for _ in $(seq 400); do # until its VRRP process runs and has read the configuration
    chroot "$root" kill -s 36 "$(cat "$root/run/keepalived.pid")"
    sleep 0.05
    [ -s "$root/tmp/keepalived.json" ] && break
done
sleep 0.05
cat "$root/tmp/keepalived.json"
kill "$(cat "$root/run/keepalived.pid")"
"""


def dumped(suite: str, place: Path) -> str:
    command = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "bash", "-c", RUN, "run"]
    done = subprocess.run(
        [*command, str(rootfs(suite)), str(place)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    return done.stdout


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
@pytest.mark.parametrize("name", NAMES)
def test_the_reader_agrees_with_keepalived(tmp_path: Path, suite: str, name: str) -> None:
    path = write(tmp_path, CORPUS[name][0])
    instances = read(path, node="nodea").instances.values()
    declared = {i.name: Declared(i.source, Tri.NO, Tri.NO) for i in instances}
    reported = parse(dumped(suite, tmp_path), (2, 3, 3), declared)
    running = {
        (
            spec.name,
            spec.interface,
            spec.vrid,
            spec.priority,
            frozenset((v.ip, v.prefixlen, v.interface, v.tracked) for v in spec.vips),
        )
        for spec, _ in reported
    }
    configured = {
        (
            i.name,
            i.interface,
            i.vrid,
            i.priority,
            frozenset((a.ip, a.prefixlen, a.interface, a.tracked) for a in i.addresses),
        )
        for i in instances
    }
    assert running == configured


# --- many styles, one keepalived ------------------------------------------------------------------

#: The version of keepalived in each suite. 2.2.7 keeps a VIP that is configured twice.
VERSIONS = {"bookworm": (2, 2, 7), "trixie": (2, 3, 3)}
#: An instance, in the form that the test compares.
Compared = dict[str, Any]


@pytest.mark.parametrize("suite", VERSIONS)
def test_the_reader_agrees_with_keepalived_on_every_style(tmp_path: Path, suite: str) -> None:
    path = keepalived_styles.write(tmp_path)
    document = json.loads(dumped(suite, tmp_path))
    entries = document["vrrp"] if isinstance(document, dict) else document
    running = {e["data"]["iname"]: _running(e["data"]) for e in entries}
    found = read(path, node="nodea", version=VERSIONS[suite]).instances
    configured = {name: _configured(instance) for name, instance in found.items()}
    assert list(running) == list(configured)
    different = {name: (found, configured[name]) for name, found in running.items()}
    assert not {name: both for name, both in different.items() if both[0] != both[1]}


def _running(data: Compared) -> Compared:
    return {
        "vrid": data["vrid"],
        "priority": data["base_priority"],
        "interval": data["adver_int"],
        "nopreempt": data["nopreempt"],
        "vmac": bool(data["vmac_ifname"]),
        "interface": data["ifp_ifname"],
        "vips": [_address(text) for text in data.get("vips", ())],
        "excluded": [_address(text) for text in data.get("evips", ())],
        "routes": [_object(text) for text in data.get("vroutes", ())],
        "rules": [_object(text) for text in data.get("vrules", ())],
    }


def _address(text: str) -> tuple[str, str, bool]:
    """keepalived writes no prefix length of 32 or 128; the interface below a VMAC follows an @."""
    words = text.split()
    return words[0], words[words.index("dev") + 1].partition("@")[0], "no_track" not in words


def _object(text: str) -> tuple[str, bool]:
    words = text.removeprefix("from all ").split()
    first = words[1] if words[0] == "prepend" else f"{words[0]} {words[1]}"
    return first, "no_track" not in words


def _configured(instance: VrrpInstance) -> Compared:
    on = [a.interface for a in instance.addresses if not a.excluded]
    return {
        "vrid": instance.vrid,
        "priority": instance.priority,
        "interval": instance.advert_interval,
        "nopreempt": instance.nopreempt is Tri.YES,
        "vmac": instance.use_vmac,
        "interface": on[0] if instance.use_vmac and on else instance.interface,
        "vips": [_written(a) for a in instance.addresses if not a.excluded],
        "excluded": [_written(a) for a in instance.addresses if a.excluded],
        "routes": [(route.words[0], route.tracked) for route in instance.routes],
        "rules": [(" ".join(rule.words[:2]), rule.tracked) for rule in instance.rules],
    }


def _written(address: VirtualAddress) -> tuple[str, str, bool]:
    whole = 32 if address.ip.version == 4 else 128
    length = "" if address.prefixlen == whole else f"/{address.prefixlen}"
    return f"{address.ip}{length}", address.interface, address.tracked


# --- what keepalived passes over, swallows, or ends at --------------------------------------------

INPUTS = ROOT / "tests/unit/inputs"


@pytest.mark.parametrize("suite", VERSIONS)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("06a-extra-brace", {"WEB": ["192.0.2.10/24"]}),
        ("06b-missing-brace", {"WEB": ["192.0.2.10/24"]}),
        ("09-unknown-block", {"WEB": []}),
        ("10-source-with-length", {"WEB": ["192.0.2.10/24"]}),
        ("18-name-with-blank", {"my web": ["192.0.2.10/24"]}),
        ("19-mcast-dst", {"A": ["192.0.2.10/24"], "B": ["192.0.2.11/24"]}),
        ("23-include-directory", {"A": ["192.0.2.5/24"]}),
    ],
)
def test_an_input_is_read_as_keepalived_reads_it(
    tmp_path: Path, suite: str, name: str, expected: dict[str, list[str]]
) -> None:
    (tmp_path / "23-conf.d").mkdir()
    path = tmp_path / "keepalived.conf"
    path.write_text((INPUTS / f"{name}.conf").read_text().replace("eth0", "ens160"))
    document = json.loads(dumped(suite, tmp_path))
    entries = document["vrrp"] if isinstance(document, dict) else document
    running = [e["data"] for e in entries]
    reported = {d["iname"]: [v.split()[0] for v in d.get("vips", ())] for d in running}
    found = read(path, version=VERSIONS[suite]).instances.values()
    configured = {i.name: [f"{a.ip}/{a.prefixlen}" for a in i.addresses] for i in found}
    assert reported == expected and configured == expected

"""What the reader finds agrees with what a real keepalived reports of the same configuration.

keepalived runs from the lab's root file systems, in namespaces of its own.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from netvip.core.model import Tri
from netvip.keepalived.declared import Declared
from netvip.keepalived.dump import parse
from netvip.keepalived.reader import read
from tests.lab.rootfs import rootfs
from tests.unit.keepalived_corpus import CORPUS, write

#: Those that are about more than layout; each is a run of keepalived. Not "a condition by a
#: definition": 2.2.7 makes `priority 110ity` of it.
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
#: Prints keepalived's dump; all it mounts and starts ends with its namespaces.
RUN = """
set -e
root=$1 conf=$2
mount --make-rprivate /
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
for _ in $(seq 100); do
    [ -s "$root/run/keepalived.pid" ] && break
    sleep 0.05
done
for _ in $(seq 100); do # until its VRRP process is there and has read what it is to run
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
        [*command, str(rootfs(suite)), str(place)], capture_output=True, text=True, timeout=30
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
    told = parse(dumped(suite, tmp_path), (2, 3, 3), declared)
    running = {
        (
            spec.name,
            spec.interface,
            spec.vrid,
            spec.priority,
            frozenset((v.ip, v.prefixlen, v.interface, v.tracked) for v in spec.vips),
        )
        for spec, _ in told
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

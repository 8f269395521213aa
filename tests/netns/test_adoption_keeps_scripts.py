"""The operator's scripts run as before after an adoption: the same ones, users and arguments.

keepalived runs from the lab's root file systems, in its own namespaces, with scripts that write
down who they are. keepalived drops some of them; those stay dropped.
"""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from netvip.keepalived.adoption import Host, adopted, foreign_scripts
from netvip.keepalived.reader import read
from netvip.keepalived.scripts import default_user
from tests.lab.rootfs import rootfs
from tests.unit.helpers import ROOT

VERSIONS = {"bookworm": (2, 2, 7), "trixie": (2, 3, 3)}
HOST = Host((2, 3, 3), {("eth0", 4): ip_address("192.0.2.1")})
#: A script that users other than root may change: with enable_script_security keepalived disables
#: it for root.
LOOSE = "/usr/local/bin/loose"
#: Prints what the scripts wrote. Its mounts and processes end with its namespaces.
RUN = """
set -e
root=$1 conf=$2 scripts=$3
mount --make-rprivate /
mount --bind "$root" "$root" # read-only: it is shared
mount -o remount,bind,ro "$root"
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
options=$root/etc/keepalived/keepalived.config-opts # 2.3 does not start without it
[ -e "$options" ] && options=$(cat "$options") || options=
mount -t overlay -o "lowerdir=$root/etc,upperdir=/mnt/upper,workdir=/mnt/work" overlay "$root/etc"
for directory in tmp run etc/keepalived usr/local/bin; do
    mount -t tmpfs tmpfs "$root/$directory"
done
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
echo "$options" >"$root/etc/keepalived/keepalived.config-opts"
cp "$conf" "$root/etc/keepalived/keepalived.conf"
mkdir -p "$root/etc/netvip" "$root/run/netvip/track" "$root/run/netvip/state"
cp "$scripts"/keepalived-* "$root/etc/netvip/"
chown -R root:root "$root/etc/netvip"
for name in check loose; do
    cat >"$root/usr/local/bin/$name" <<'END'
#!/bin/sh
echo "$(id -un) ${0##*/} $*" >>/tmp/ran
END
    chmod 755 "$root/usr/local/bin/$name"
done
chown daemon:daemon "$root/usr/local/bin/loose"
ip link set lo up
ip link add eth0 type veth peer name p-eth0
ip link set eth0 up
ip link set p-eth0 up
ip address add 192.0.2.1/24 dev eth0
chroot "$root" keepalived -n -l >/dev/null 2>&1 &
sleep 2.5 # MASTER after 0.4 s
kill $!
wait $! || true
sort -u "$root/tmp/ran" 2>/dev/null || true
"""


def ran(suite: str, conf: Path) -> list[str]:
    command = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "bash", "-c", RUN, "run"]
    done = subprocess.run(
        [*command, str(rootfs(suite)), str(conf), str(ROOT / "scripts")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def configuration(switches: str, user: str) -> str:
    line = f" user {user}\n" if user else ""
    return (
        f"global_defs {{\n vrrp_version 3\n{switches}}}\n"
        f'vrrp_script c {{\n script "/usr/local/bin/check vrrp_script"\n interval 1\n{line}}}\n'
        f"vrrp_sync_group G {{\n group {{\n  WEB\n }}\n"
        f' notify_master "/usr/local/bin/check group" {user}\n'
        f' notify "{LOOSE} group" {user}\n}}\n'
        "vrrp_instance WEB {\n state MASTER\n interface eth0\n virtual_router_id 21\n"
        " priority 100\n advert_int 0.1\n track_script {\n  c\n }\n"
        " virtual_ipaddress {\n  192.0.2.10/24\n }\n"
        f' notify "/usr/local/bin/check notify" {user}\n'
        f' notify_master "/usr/local/bin/check master" {user}\n'
        f' notify_backup "{LOOSE} backup" {user}\n}}\n'
    )


@pytest.mark.parametrize("suite", VERSIONS)
@pytest.mark.parametrize(
    ("switches", "user", "runs"),
    [
        ("", "", {"root check", "root loose"}),
        ("", "daemon", {"daemon check", "daemon loose"}),
        (" enable_script_security\n", "", set()),
        (" enable_script_security\n script_user root\n", "", {"root check"}),
        (" enable_script_security\n script_user daemon\n", "", {"daemon check", "daemon loose"}),
        (" enable_script_security\n", "root", {"root check"}),
    ],
    ids=["plain", "user", "dropped", "secure", "secure, script_user", "secure, user"],
)
def test_scripts_run_as_before(
    tmp_path: Path, suite: str, switches: str, user: str, runs: set[str]
) -> None:
    conf = tmp_path / "keepalived.conf"
    conf.write_text(configuration(switches, user))
    before = ran(suite, conf)
    found = read(conf, version=VERSIONS[suite])
    default = default_user(found, lambda name: name in ("root", "daemon"))
    scripts = {line.command for line in foreign_scripts(found)}
    loose = {command for command in scripts if command.startswith(LOOSE)}
    host = replace(
        HOST,
        version=VERSIONS[suite],
        script_user=default or "root",
        no_default_user=default is None,
        disabled=frozenset(loose if switches else ()),
    )
    conf.write_text(adopted(found, host)[conf])
    assert {" ".join(line.split()[:2]) for line in before} == runs
    assert ran(suite, conf) == before

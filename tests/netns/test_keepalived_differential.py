"""keepalived -t and the reader complain of the same lines, in configurations with random mistakes.

The mistakes are those of people and templates: braces too many or too few, misspelt words, values
that are missing, lines in the wrong place. NETVIP_DIFFERENTIAL tells how many files to try (200).
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netvip.keepalived.complaints import Kind
from netvip.keepalived.reader import read
from tests.lab.rootfs import rootfs
from tests.unit.helpers import ROOT

FILES = int(os.environ.get("NETVIP_DIFFERENTIAL", "200"))
VERSIONS = {"bookworm": (2, 2, 7), "trixie": (2, 3, 3)}
BASE = (ROOT / "tests/netns/differential.conf").read_text().splitlines()
WORDS = """
    vrrp_instance virtual_ipaddress authentication auth_type priority state interface track_script
    { } global_defs vrrp_script chk 192.0.2.99/24 weight foo script user notify group track_file
    static_routes nopreempt ${X} {{ }} auth_hmac
""".split()  # noqa: SIM905
#: Runs keepalived -t on every file of a directory. Its mounts end with its namespaces.
RUN = """
set -e
root=$1 files=$2
mount --make-rprivate /
mount --bind "$root" "$root" # read-only: it is shared
mount -o remount,bind,ro "$root"
options=$root/etc/keepalived/keepalived.config-opts # 2.3 does not start without it
[ -e "$options" ] && options=$(cat "$options") || options=
for directory in tmp run etc/keepalived; do mount -t tmpfs tmpfs "$root/$directory"; done
mount -t proc proc "$root/proc"
echo "$options" >"$root/etc/keepalived/keepalived.config-opts"
cp "$files"/*.conf "$root/etc/keepalived/"
ip link set lo up
for name in eth0 eth1; do
    ip link add "$name" type veth peer name "p-$name"
    ip link set "$name" up
    ip link set "p-$name" up
done
ip address add 192.0.2.1/24 dev eth0
cd "$root/etc/keepalived"
for file in *.conf; do
    status=0
    chroot "$root" keepalived -t -f "/etc/keepalived/$file" >"$root/tmp/told" 2>&1 || status=$?
    echo "FILE $file $status"
    cat "$root/tmp/told"
done
"""
#: keepalived's process of the checks, which the reader does not model, reads first, and knows this
#: word as well.
IN_CHECKS_TOO = "track_file"
LINE = re.compile(r"\((?:/etc/keepalived/\S+: )?Line (\d+)\) (.*)")
#: keepalived 2.2.7 and 2.3.3 end with a segmentation fault at some files.
SEGMENTATION_FAULT = 139
Told = set[tuple[int, str]]


def mutated(chance: random.Random) -> list[str]:
    lines = list(BASE)
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(lines))
        words = lines[at].split() or [""]
        match chance.randrange(9):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, chance.choice(["{", "}", "  }  ", "} }", "{ }"]))
            case 2:
                lines[at] = lines[at].replace(words[0], f"{words[0][:-1]}x", 1)
            case 3:
                lines[at] = " ".join(words[:-1])
            case 4:
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 5:
                lines.insert(at, chance.choice(lines))
            case 6:
                lines.insert(at, chance.choice(WORDS))
            case 7:
                opens = "{" in lines[at]
                lines[at] = lines[at].replace("{", "") if opens else f"{lines[at]} {{"
            case 8:
                lines[at] = f"{lines[at]} {chance.choice(WORDS)}"
    return [*lines, ""]


def keepalived(suite: str, place: Path) -> Iterator[tuple[str, int, list[str]]]:
    """File, exit status and lines."""
    command = ["unshare", "-n", "-m", "-p", "-f", "--kill-child", "bash", "-c", RUN, "run"]
    done = subprocess.run(
        [*command, str(rootfs(suite)), str(place)],
        capture_output=True,
        timeout=60 + FILES,
        check=True,
    )
    text = done.stdout.decode(errors="replace")
    for part in text.split("FILE ")[1:]:
        first, *lines = part.splitlines()
        name, status = first.split()
        yield name, int(status), lines


def told(lines: list[str]) -> tuple[Told, int | None]:
    """What keepalived complains of, and the line at which it ends."""
    found: Told = set()
    ends = None
    for line in lines:
        place = LINE.match(line)
        if place is None:
            continue
        number, text = int(place[1]), place[2]
        if text.startswith("Unknown keyword") and not text.endswith("'}'"):
            found.add((number, "unknown"))
        elif "must have a name" in text or "already defined" in text:
            found.add((number, "refused"))
        elif "is missing a parameter" in text:
            ends = number
    return found, ends


def first_word(path: Path, number: int | None) -> str:
    """Of a line."""
    return path.read_text().splitlines()[(number or 1) - 1].split()[0]


def is_undefined(path: Path) -> bool:
    """Whether a refused block lacks its brace: keepalived then goes on with an instance that is not
    there, and ends with a segmentation fault, or not."""
    found = [(one.kind, one.line) for one in read(path).complaints]
    return any((Kind.REFUSED, line) in found for kind, line in found if kind is Kind.NO_BRACE)


def complained(path: Path, suite: str) -> tuple[Told, int | None]:
    """The same of the reader's."""
    found: Told = set()
    ends = []
    for one in read(path, node="nodea", version=VERSIONS[suite]).complaints:
        if one.kind in (Kind.UNKNOWN, Kind.UNKNOWN_BLOCK):
            found.add((one.line, "unknown"))
        elif one.kind is Kind.REFUSED:
            found.add((one.line, "refused"))
        elif one.kind is Kind.NO_VALUE:
            ends.append(one.line)
    return found, ends[0] if ends else None


@pytest.mark.parametrize("suite", VERSIONS)
def test_the_reader_complains_of_what_keepalived_complains_of(tmp_path: Path, suite: str) -> None:
    chance = random.Random(FILES)
    for number in range(FILES):
        (tmp_path / f"{number:05}.conf").write_text("\n".join(mutated(chance)))
    different, compared = {}, 0
    for name, status, lines in keepalived(suite, tmp_path):
        if status == SEGMENTATION_FAULT or any("nterminated quote" in line for line in lines):
            continue
        # 2.3 removes a sync group without members, so that another one may have its name.
        if is_undefined(tmp_path / name) or any("has no members" in line for line in lines):
            continue
        (real, end), (own, own_end) = told(lines), complained(tmp_path / name, suite)
        if end is not None:  # keepalived reads no further, and begins no further process
            real = own = set()
        if None not in (end, own_end) and first_word(tmp_path / name, end) == IN_CHECKS_TOO:
            end = own_end  # the process of the checks ended, before that of VRRP would have
        compared += 1
        if (real, end) != (own, own_end):
            different[name] = real - own, own - real, end, own_end
    assert compared > FILES * 0.9
    assert not different, f"{len(different)} of {compared}: {different}"
    print(f"\n{suite}: {compared} configurations compared, none differs")

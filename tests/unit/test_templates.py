"""The examples of docs/templates.md make what they promise."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import jinja2

from netvip.doctor.facts import Facts
from netvip.doctor.rules import apply_rules
from netvip.keepalived.adoption import Host, adopted
from netvip.keepalived.adoption_lines import lines
from netvip.keepalived.reader import read
from tests.unit.helpers import ROOT

HOST = Host((2, 3, 3), {("ens160", 4): ip_address("10.77.0.1")})
INSTANCE = {
    "name": "VI_1",
    "interface": "ens160",
    "source": "10.77.0.1",
    "vrid": 51,
    "priority": 110,
    "vips": ["10.77.0.10/24", "10.77.0.11/24"],
}
BEFORE = """vrrp_instance VI_1 {
    interface ens160
    virtual_router_id 51
    virtual_ipaddress {
        10.77.0.10/24
    }
}
"""


def test_the_template_makes_an_adopted_configuration(tmp_path: Path) -> None:
    # As Ansible renders it: trim_blocks is its default.
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    text = (ROOT / "docs/examples/keepalived.conf.j2").read_text()
    conf = tmp_path / "keepalived.conf"
    conf.write_text(
        environment.from_string(text).render(inventory_hostname="lb1", vrrp_instances=[INSTANCE])
    )
    configuration = read(conf)
    vips = [str(a.ip) for a in configuration.instances["VI_1"].addresses]
    assert vips == ["10.77.0.10", "10.77.0.11"] and configuration.complaints == ()
    assert adopted(configuration, HOST) == {}
    assert apply_rules(Facts(configuration, version=HOST.version)) == []


def test_the_page_shows_what_print_prints(tmp_path: Path) -> None:
    conf = tmp_path / "keepalived.conf"
    conf.write_text(BEFORE)
    page = (ROOT / "docs/templates.md").read_text()
    shown = re.search(r"    # in global_defs\n(?:    .*\n|\n(?=    ))+", page)
    assert shown is not None
    printed = "".join(f"    {line}\n" if line else "\n" for line in lines(read(conf), HOST))
    assert shown[0] == printed

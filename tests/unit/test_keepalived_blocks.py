"""What keepalived passes over, swallows or stops at, as keepalived 2.2.7 and 2.3.3 report it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netvip.errors import ConfigError
from netvip.keepalived.complaints import Kind
from netvip.keepalived.configuration import Configuration
from netvip.keepalived.reader import read

#: A complaint, by its kind and line.
Told = list[tuple[Kind, int]]
HEAD = "vrrp_instance WEB {\n interface eth0\n virtual_router_id 21\n"
VIPS = " virtual_ipaddress {\n  192.0.2.10/24\n }\n"
OTHER = "vrrp_instance DB {\n interface eth1\n virtual_router_id 22\n}\n"


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.conf"


def told(configuration: Configuration) -> Told:
    return [(complaint.kind, complaint.line) for complaint in configuration.complaints]


def vips(configuration: Configuration) -> dict[str, list[str]]:
    instances = configuration.instances.values()
    return {i.name: [str(address.ip) for address in i.addresses] for i in instances}


@pytest.mark.parametrize(
    ("text", "found", "complaints"),
    [
        pytest.param(
            HEAD + VIPS + "}\n}\n} }\n" + OTHER,
            {"WEB": ["192.0.2.10"], "DB": []},
            [(Kind.EXTRA, 8), (Kind.EXTRA, 9)],
            id="braces too many",
        ),
        pytest.param(HEAD + VIPS, {"WEB": ["192.0.2.10"]}, [(Kind.NOT_CLOSED, 1)], id="not closed"),
        pytest.param(
            HEAD + " virtual_ipaddress {\n  192.0.2.10/24\n}\n" + OTHER,
            {"WEB": ["192.0.2.10"]},
            [(Kind.UNKNOWN_BLOCK, 7)],
            id="a block inside is not closed: the next instance is this one's",
        ),
        pytest.param(
            HEAD + " authentification {\n  auth_type PASS\n }\n" + VIPS + "}\n" + OTHER,
            {"WEB": [], "DB": []},
            [
                (Kind.UNKNOWN_BLOCK, 4),
                (Kind.UNKNOWN, 5),
                (Kind.UNKNOWN_BLOCK, 7),
                (Kind.UNKNOWN, 8),
                (Kind.EXTRA, 9),
                (Kind.EXTRA, 10),
            ],
            id="an unknown block ends the instance",
        ),
        pytest.param(
            HEAD + " authentification\n {\n }\n" + VIPS + "}\n",
            {"WEB": []},
            [
                (Kind.UNKNOWN_BLOCK, 4),
                (Kind.UNKNOWN_BLOCK, 7),
                (Kind.UNKNOWN, 8),
                (Kind.EXTRA, 9),
                (Kind.EXTRA, 10),
            ],
            id="an unknown block with its brace on a line of its own",
        ),
        pytest.param(
            HEAD + " virtual_router_idd 9\n" + VIPS + "}\n",
            {"WEB": ["192.0.2.10"]},
            [(Kind.UNKNOWN, 4)],
            id="an unknown line",
        ),
        pytest.param(
            HEAD + " priority 100 {\n }\n" + VIPS + "}\n",
            {"WEB": []},
            [
                (Kind.STRAY, 4),
                (Kind.UNKNOWN_BLOCK, 6),
                (Kind.UNKNOWN, 7),
                (Kind.EXTRA, 8),
                (Kind.EXTRA, 9),
            ],
            id="a brace behind a line that opens no block",
        ),
        pytest.param(
            HEAD + " virtual_ipaddress {\n  192.0.2.10/24 {\n  dev eth0 }\n  192.0.2.11\n }\n}\n",
            {"WEB": ["192.0.2.10"]},
            [(Kind.STRAY, 5), (Kind.UNKNOWN, 7), (Kind.EXTRA, 9)],
            id="braces within values",
        ),
        pytest.param(
            HEAD.replace(" {", "") + VIPS + "}\n" + OTHER,
            {"WEB": ["192.0.2.10"], "DB": []},
            [
                (Kind.NO_BRACE, 1),
                (Kind.UNKNOWN, 2),
                (Kind.UNKNOWN, 3),
                (Kind.UNKNOWN_BLOCK, 4),
                (Kind.UNKNOWN, 5),
                (Kind.EXTRA, 6),
                (Kind.EXTRA, 7),
            ],
            id="an instance without its brace, which the parent process takes for none",
        ),
        pytest.param(
            "vrrp_instance my web {\n interface eth0\n" + VIPS + "}\n" + OTHER,
            {"DB": []},
            [(Kind.REFUSED, 1)],
            id="a name of two words",
        ),
        pytest.param(
            OTHER + OTHER.replace("22", "23"), {"DB": []}, [(Kind.REFUSED, 5)], id="a name twice"
        ),
        pytest.param(
            "global_defs {\n foo {\n  x\n }\n router_id a\n}\n" + HEAD + VIPS + "}\n",
            {"WEB": ["192.0.2.10"]},
            [(Kind.UNKNOWN_BLOCK, 2), (Kind.UNKNOWN, 3), (Kind.UNKNOWN, 5), (Kind.EXTRA, 6)],
            id="an unknown block in global_defs, which the VRRP process does not read",
        ),
        pytest.param(
            "global_defs {\n router_id a\n" + OTHER,
            {},
            [
                (Kind.UNKNOWN_BLOCK, 3),
                (Kind.UNKNOWN, 4),
                (Kind.UNKNOWN, 5),
            ],
            id="global_defs that nothing closes hide every instance",
        ),
        pytest.param(
            "vrrp_script c {\n foo {\n }\n" + OTHER + "}\n",
            {},
            [(Kind.UNKNOWN_BLOCK, 2), (Kind.EXTRA, 8)],
            id="an instance that the parent process does not see does not run",
        ),
        pytest.param(
            OTHER + "vrrp_sync_group G {\n group {\n  DB\n }\n group {\n  X\n }\n}\n",
            {"DB": []},
            [(Kind.STRAY, 9), (Kind.UNKNOWN, 10), (Kind.EXTRA, 12)],
            id="a second list of members opens nothing",
        ),
        pytest.param(
            "virtual_server 192.0.2.10 80 {\n foo {\n  x\n }\n}\n" + OTHER,
            {"DB": []},
            [],
            id="another process's block is counted by its braces",
        ),
        pytest.param(
            HEAD + " priority ${PRIO:-99}\n" + VIPS + "}\n",
            {"WEB": []},
            [
                (Kind.STRAY, 4),
                (Kind.UNKNOWN, 4),
                (Kind.UNKNOWN_BLOCK, 5),
                (Kind.UNKNOWN, 6),
                (Kind.EXTRA, 7),
                (Kind.EXTRA, 8),
            ],
            id="a template's variable",
        ),
    ],
)
def test_it_is_read_as_keepalived_reads_it(
    conf: Path, text: str, found: dict[str, list[str]], complaints: Told
) -> None:
    conf.write_text(text)
    configuration = read(conf)
    assert vips(configuration) == found
    assert sorted(told(configuration), key=_place) == sorted(complaints, key=_place)


def _place(one: tuple[Kind, int]) -> tuple[int, str]:
    return one[1], one[0].value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (HEAD + " priority\n}\n", 4),
        (HEAD + " priority ! 100\n}\n", 4),
        (HEAD + " advert_int\n}\n", 4),
        (HEAD + " state {\n}\n", 4),
        (HEAD + ' notify_master # "x"\n}\n', 4),
        (HEAD + " unicast_src_ip\n}\n", 4),
        (HEAD + " authentication {\n  auth_pass\n }\n}\n", 5),
        (HEAD + " virtual_routes {\n  198.51.100.0/24 via 192.0.2.1 dev\n }\n}\n", 5),
        ("vrrp_script {\n}\n" + OTHER, 1),
        ('vrrp_script c {\n script "/x"\n interval\n}\n' + OTHER, 3),
        ("track_file {\n}\n" + OTHER, 1),
        ("global_defs {\n vrrp_garp_master_refresh\n}\n" + OTHER, 2),
        (OTHER + "virtual_server 192.0.2.10 80 {\n lb_algo\n}\n", 6),
        (
            OTHER
            + "virtual_server 192.0.2.10 80 {\n real_server 1.2.3.4 80 {\n  lvs_method\n }\n}\n",
            7,
        ),
    ],
)
def test_a_missing_value_ends_keepalived(conf: Path, text: str, line: int) -> None:
    conf.write_text(text)
    found = [c.line for c in read(conf).complaints if c.ends_keepalived]
    assert found == [line]


@pytest.mark.parametrize(
    "text",
    [
        "global_defs {\n vrrp_sync_group G {\n  group {\n   DB\n  }\n } track_file\n}\n" + OTHER,
        HEAD + " nopreempt\n use_vmac\n accept\n dont_track_primary\n smtp_alert\n}\n",
        HEAD + ' priority ""\n}\n',
        HEAD + " track_interface\n {\n }\n}\n",
        "global_defs {\n enable_script_security\n vrrp_strict\n script_user\n}\n" + OTHER,
        "vrrp_script c {\n script\n init_fail\n}\n" + OTHER,
    ],
)
def test_other_words_need_no_value(conf: Path, text: str) -> None:
    conf.write_text(text)
    assert [c for c in read(conf).complaints if c.ends_keepalived] == []


def test_the_parent_process_ends_first(conf: Path) -> None:
    conf.write_text(f"{HEAD} priority\n}}\nglobal_defs {{\n vrrp_garp_master_refresh\n}}\n")
    assert [c.line for c in read(conf).complaints if c.ends_keepalived] == [7, 4]


def test_a_condition_of_another_node_ends_nothing_for_certain(conf: Path) -> None:
    conf.write_text(HEAD + "@nodea priority\n}\n")
    assert not any(c.ends_keepalived for c in read(conf).complaints)
    assert any(c.ends_keepalived for c in read(conf, node="nodea").complaints)


# --- includes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["d", "d/", "fifo", "executable", "link", "missing", "none*"])
def test_an_include_passes_over_what_is_no_plain_file(conf: Path, name: str) -> None:
    (conf.parent / "d").mkdir()
    os.mkfifo(conf.parent / "fifo")
    (conf.parent / "executable").write_text("}\n")
    (conf.parent / "executable").chmod(0o755)
    (conf.parent / "link").symlink_to("d")
    conf.write_text(f"include {name}\n{OTHER}")
    assert list(read(conf).instances) == ["DB"]


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        ("includer d", True),
        ("includem d", True),
        ("includeb d", True),
        ("includew d*", True),
        ("includea d", True),
        ("includer missing", False),
        ("includem missing", True),
        ("includew missing", True),
        ("includeb missing", False),
        ("includem none*", False),
        ("includew none*", True),
        ("includem {plain,missing}", False),
        ("includeb {plain,missing}", True),
        ("includea {plain,missing}", True),
        ("includew {missing,gone}", False),
    ],
)
def test_kinds_of_include_that_end_keepalived_are_refused(
    conf: Path, line: str, ends: bool
) -> None:
    (conf.parent / "d").mkdir()
    (conf.parent / "plain").write_text("! nothing\n")
    conf.write_text(f"{line}\n{OTHER}")
    if ends:
        with pytest.raises(ConfigError, match=r"keepalived\.conf:1: .* or write include$"):
            read(conf)
    else:
        assert list(read(conf).instances) == ["DB"]


# --- sources, peers, interfaces -------------------------------------------------------------------


def test_a_length_or_a_range_behind_a_source_or_a_peer_counts_for_nothing(conf: Path) -> None:
    conf.write_text(
        f"{HEAD} unicast_src_ip 192.0.2.1-7\n unicast_peer {{\n  192.0.2.9-12\n  192.0.2.8/24\n"
        "  192.0.2.7/\n  192.0.2.6/24-3\n  192.0.2.999\n }\n}\n"
    )
    instance = read(conf).instances["WEB"]
    assert str(instance.source_ip) == "192.0.2.1"
    assert [str(peer) for peer in instance.unicast_peers] == ["192.0.2.9", "192.0.2.8", "192.0.2.7"]


def test_a_length_decides_the_family_too(conf: Path) -> None:
    conf.write_text(
        f"{HEAD} unicast_src_ip 2001:db8::1/64\n unicast_peer {{\n  2001:db8::2/64\n }}\n"
        " virtual_ipaddress {\n  2001:db8::10/64\n  192.0.2.10\n }\n}\n"
    )
    instance = read(conf).instances["WEB"]
    assert (str(instance.source_ip), instance.family) == ("2001:db8::1", 6)
    assert [str(peer) for peer in instance.unicast_peers] == ["2001:db8::2"]
    assert [str(address.ip) for address in instance.addresses] == ["2001:db8::10"]


def test_a_vip_without_an_interface_is_none(conf: Path) -> None:
    conf.write_text(
        "vrrp_instance WEB {\n virtual_router_id 21\n unicast_src_ip 192.0.2.1\n"
        " virtual_ipaddress {\n  192.0.2.10 dev eth0\n  192.0.2.12\n }\n"
        " virtual_ipaddress_excluded {\n  192.0.2.13\n  192.0.2.14 dev eth1\n }\n}\n"
    )
    (instance,) = read(conf).instances.values()
    assert [(str(a.ip), a.interface, a.vmac) for a in instance.addresses] == [
        ("192.0.2.10", "eth0", False),
        ("192.0.2.14", "eth1", False),
    ]

"""What netvip doctor says of a configuration that keepalived does not take as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from netvip.core.model import Tri
from netvip.doctor.facts import Facts, commands
from netvip.doctor.findings import Finding, Severity
from netvip.doctor.rules import apply_rules
from netvip.doctor.rules_reading import RULES
from netvip.keepalived.reader import read
from tests.unit.helpers import ROOT

INPUTS = ROOT / "tests/unit/inputs"
HEAD = "vrrp_instance WEB {\n interface eth0\n virtual_router_id 21\n"
VIPS = " virtual_ipaddress {\n  192.0.2.10/24\n }\n"


def of(path: Path, version: tuple[int, ...] = ()) -> list[Finding]:
    facts = Facts(read(path, version=version), version)
    return [finding for rule in RULES for finding in rule(facts)]


def found(tmp_path: Path, text: str, version: tuple[int, ...] = ()) -> list[tuple[str, str]]:
    """Codes and lines."""
    path = tmp_path / "keepalived.conf"
    path.write_text(text)
    return [(f.code, f.where.rpartition(":")[2]) for f in of(path, version)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("06a-extra-brace", [("NV133", "10")]),
        ("06b-missing-brace", [("NV133", "1")]),
        ("07-missing-value", [("NV131", "5")]),
        ("08a-no-instance", [("NV135", "")]),
        ("08b-bom", [("NV130", "1"), ("NV135", "")]),
        ("08c-typo", [("NV130", "1"), ("NV135", "")]),
        ("09-unknown-block", [("NV130", "6")]),
        ("10-source-with-length", []),
        ("17-no-interface", []),
        ("23-include-directory", []),
    ],
)
def test_one_finding_for_one_mistake(name: str, expected: list[tuple[str, str]]) -> None:
    findings = of(INPUTS / f"{name}.conf")
    assert [(f.code, f.where.rpartition(":")[2]) for f in findings] == expected


def test_a_missing_value_is_the_first_finding() -> None:
    first = apply_rules(Facts(read(INPUTS / "07-missing-value.conf")))[0]
    assert first.code == "NV131" and first.severity is Severity.ERROR
    assert first.text == (
        "priority lacks its value: keepalived ends with exit status 2 and runs nothing"
    )


def test_a_misspelt_word_is_named_with_the_word_that_was_meant() -> None:
    (finding,) = of(INPUTS / "09-unknown-block.conf")
    assert finding.text == (
        "keepalived does not know authentification in vrrp_instance WEB: it passes over it and "
        "its {, and the next } ends vrrp_instance WEB"
    )
    assert finding.instead == ("authentication {",)
    first = of(INPUTS / "08c-typo.conf")[0]
    assert first.instead == ("vrrp_instance WEB {",)


def test_a_byte_order_mark_is_named() -> None:
    path = INPUTS / "08b-bom.conf"
    first = of(path)[0]
    assert first.text == (
        "this file begins with a byte order mark, which keepalived takes for a part of the first "
        "word: it does not know it"
    )
    assert first.instead == (f"sed -i '1s/^\\xef\\xbb\\xbf//' {path}",)


def test_what_follows_from_a_mistake_is_no_finding_and_the_next_mistake_is(tmp_path: Path) -> None:
    text = f"{HEAD} foo {{\n  x\n }}\n{VIPS}}}\nvrrp_instance DB {{\n bar 1\n {HEAD[20:]}{VIPS}}}\n"
    assert found(tmp_path, text) == [("NV130", "4"), ("NV132", "12")]


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        ("vrrp_instance A {\n interface eth0\n}\n", (), [("NV136", "1")]),
        (HEAD.replace("21", "300") + VIPS + "}\n", (), [("NV136", "1")]),
        (HEAD.replace(" interface eth0\n", "") + "}\n", (), [("NV136", "1")]),
        (HEAD + " version 3\n}\n", (), [("NV136", "1")]),
        (HEAD + " version 3\n no_virtual_ipaddress\n}\n", (), []),
        (HEAD + " version 3\n" + VIPS + "}\n", (), []),
        (HEAD + "}\n", (), []),
    ],
)
def test_an_instance_that_ends_keepalived(
    tmp_path: Path, text: str, version: tuple[int, ...], expected: list[tuple[str, str]]
) -> None:
    assert found(tmp_path, text, version) == expected


def test_without_an_interface_keepalived_2_2_ends() -> None:
    path = INPUTS / "17-no-interface.conf"
    assert [f.code for f in of(path, (2, 2, 7))] == ["NV136"]
    assert of(path, (2, 3, 3)) == []


def test_a_refused_block_is_told_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(f"vrrp_instance my web {{\n}}\n{HEAD}{VIPS}}}\n{HEAD}}}\n")
    assert [f.text for f in of(path)] == [
        "keepalived reads nothing of this block: a vrrp_instance has a name of one word",
        "keepalived reads nothing of this block: there is a vrrp_instance WEB before",
    ]


@pytest.mark.parametrize("above", [True, False])
def test_a_definition_below_its_use_counts_for_nothing(tmp_path: Path, above: bool) -> None:
    path = tmp_path / "keepalived.conf"
    defined = 'vrrp_script c {\n script "/c"\n}\ntrack_file f {\n file /f\n}\n'
    used = f"{HEAD} track_script {{\n  c\n }}\n track_file {{\n  f\n }}\n}}\n"
    path.write_text(defined + used if above else used + defined)
    found = [f.text for f in apply_rules(Facts(read(path))) if f.code == "NV209"]
    assert [text.partition(":")[0] for text in found] == (
        []
        if above
        else [
            "vrrp_script c is defined only below, in line 11",
            "track_file f is defined only below, in line 14",
        ]
    )


@pytest.mark.parametrize(
    ("lines", "dropped"),
    [
        ("enable_script_security\n vrrp_notify_fifo /f", True),
        ("enable_script_security\n vrrp_notify_fifo /f root", True),
        ("vrrp_notify_fifo /f root\n enable_script_security", True),
        ("vrrp_notify_fifo /f\n enable_script_security", False),
        ("vrrp_notify_fifo /f", False),
    ],
)
def test_the_order_of_lines_decides_about_the_default_user(
    tmp_path: Path, lines: str, dropped: bool
) -> None:
    path = tmp_path / "keepalived.conf"
    check = 'vrrp_script c {\n script "/c"\n}\n'
    path.write_text(f"global_defs {{\n {lines}\n}}\n{check}{HEAD}{VIPS}}}\n")
    configuration = read(path)
    users = {"keepalived_script": Tri.NO, "root": Tri.YES}
    facts = Facts(configuration, commands=commands(configuration, here=False), users=users)
    assert ("NV224" in {f.code for f in apply_rules(facts)}) is dropped

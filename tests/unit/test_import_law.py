"""The import law of DESIGN (Shape), read from the source and from a running interpreter."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.helpers import ROOT, run

PACKAGE = ROOT / "netvip"
MODULES = sorted(PACKAGE.rglob("*.py"))
IMPURE = {"asyncio", "socket", "time", "os", "subprocess", "threading", "select", "signal"}
IMPURE |= {"pathlib", "io", "logging", "random", "datetime", "tempfile", "shutil", "ctypes"}
#: Importing these costs tens of milliseconds, which keepalived would pay at every check.
DEAR = {"asyncio", "argparse", "logging", "pyroute2", "dbus_next"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def under(folder: str) -> list[Path]:
    return [path for path in MODULES if path.is_relative_to(PACKAGE / folder)]


def imported(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path) -> set[str]:
    return set(imported(ast.walk(ast.parse(path.read_text()))))


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def top(module: str) -> str:
    return module.partition(".")[0]


@pytest.mark.parametrize("path", under("core"), ids=name)
def test_core_imports_itself_const_and_pure_standard_modules(path: Path) -> None:
    for module in imports(path):
        own = within(module, "netvip.core", "netvip.const")
        assert own or (top(module) in sys.stdlib_module_names - IMPURE), module


@pytest.mark.parametrize("path", under("core"), ids=name)
def test_core_opens_and_prints_nothing(path: Path) -> None:
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("path", under("wire"), ids=name)
def test_wire_imports_itself_and_three_standard_modules(path: Path) -> None:
    allowed = ("netvip.wire", "struct", "ipaddress", "dataclasses", "__future__")
    assert all(within(module, *allowed) for module in imports(path))


@pytest.mark.parametrize(
    ("folder", "other"), [("sources", "actuators"), ("actuators", "sources"), ("core", "wire")]
)
def test_sources_and_actuators_never_meet(folder: str, other: str) -> None:
    modules = {module for path in under(folder) for module in imports(path)}
    assert modules
    assert not [module for module in modules if within(module, f"netvip.{other}")]


@pytest.mark.parametrize(
    ("library", "importer"),
    [("pyroute2", "netvip/linux/rtnl.py"), ("dbus_next", "netvip/linux/bus.py")],
)
def test_a_library_has_one_importer(library: str, importer: str) -> None:
    found = [name(p) for p in MODULES if any(within(m, library) for m in imports(p))]
    assert found == [importer]


@pytest.mark.parametrize("module", ["cli", "control/client"])
def test_what_every_verb_imports_names_nothing_dear(module: str) -> None:
    body = ast.parse((PACKAGE / f"{module}.py").read_text()).body
    assert not {top(name) for name in imported(body)} & DEAR


@pytest.mark.parametrize("module", ["netvip.cli", "netvip.control.client", "netvip.errors"])
def test_what_every_verb_imports_loads_nothing_dear(module: str) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    done = run(sys.executable, "-S", "-c", code)
    assert done.returncode == 0, done.stderr
    assert module in done.stdout.split()
    assert not {top(name) for name in done.stdout.split()} & DEAR


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_of_a_readable_size(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500

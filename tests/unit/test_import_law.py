"""The import law of docs/architecture.md, read from the source and from a running interpreter."""

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
    [("pyroute2", "netvip/linux/route_messages.py"), ("dbus_next", "netvip/linux/bus.py")],
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


def test_the_daemon_starts_without_what_encodes_plans() -> None:
    """It takes a third of the start (fact start-up-cost), and is needed when keepalived runs."""
    done = run(sys.executable, "-c", "import sys, netvip.daemon; print(*sys.modules)")
    assert "netvip.daemon" in done.stdout.split()
    assert "pyroute2" not in done.stdout.split()


#: Which packages and modules of netvip each package may import, besides itself. Of core, where not
#: all of it is meant, the modules.
ROOMS = {
    "core": {"const"},
    "wire": set[str](),
    "linux": {"core.ip", "core.model", "core.objects"},
    "networkd": {"const", "errors", "core.model", "linux"},
    "keepalived": {"const", "errors", "core.ip", "core.model", "core.objects", "linux"},
    "sources": {
        *("const", "errors", "keepalived", "linux", "wire"),
        *("core.events", "core.model", "core.objects", "core.plan", "core.requests"),
    },
    "actuators": {
        *("const", "errors", "keepalived", "linux", "wire"),
        *("core.actions", "core.model", "core.objects", "core.requests"),
    },
    "checks": {
        *("const", "linux", "wire"),
        *("core.actions", "core.check", "core.events", "core.model"),
    },
    "control": {"const", "errors", "core", "__version__"},
    "doctor": {"const", "errors", "core.model", "keepalived", "linux", "networkd", "sources"},
    "commands": {
        *("config", "const", "errors", "core.coverage", "core.mirror", "core.model"),
        *("control", "daemon", "doctor"),
        *("keepalived", "linux", "networkd", "sources"),
    },
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_package_imports_only_what_its_room_allows(room: str) -> None:
    allowed = [f"netvip.{other}" for other in (room, *ROOMS[room])]
    for path in under(room):
        for module in imports(path):
            assert not within(module, "netvip") or within(module, *allowed), (name(path), module)


def test_every_package_has_a_room() -> None:
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert packages == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_uses_no_private_part_of_another_object(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            special = node.attr.startswith("__") or node.attr == "_value2member_map_"
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            assert special or own, f"{name(path)}:{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_the_state_of_an_object_is_changed_by_its_own_methods_alone(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
                    own = isinstance(part.value, ast.Name) and part.value.id == "self"
                    assert own, f"{name(path)}:{part.lineno}: {ast.unparse(part)}"


def test_no_two_modules_import_each_other() -> None:
    """No circle, not even one for type checkers alone."""
    known = {module_of(path): path for path in MODULES}
    arrows = {
        module: {
            target
            for found in imports(path)
            for target in (found, found.rpartition(".")[0])
            if target in known and target != module
        }
        for module, path in known.items()
    }
    while leaves := [module for module, targets in arrows.items() if not targets & arrows.keys()]:
        for module in leaves:
            del arrows[module]
    assert not arrows, sorted(arrows)


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

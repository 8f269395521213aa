"""Reads keepalived.conf with its includes, as keepalived does, into statements and a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from netvip.keepalived.blocks import Blocks
from netvip.keepalived.configuration import Configuration
from netvip.keepalived.dialect import Dialect
from netvip.keepalived.interpret import interpret
from netvip.keepalived.unfold import Unfolded
from netvip.linux.rooted import HOST


def read(
    main: Path,
    *,
    node: str | None = None,
    version: tuple[int, ...] = (),
    root: Path = HOST,
    given: Mapping[Path, str] = MappingProxyType({}),
) -> Configuration:
    """The configuration that begins with this file.

    `node` is the id that @id lines are compared with (None: not known), `version` keepalived's
    (empty: the newest), `root` its root directory, `given` texts that take the place of the files'.
    Raises ConfigError, which names file and line and says what to do.
    """
    dialect = Dialect.of(version)
    unfolded = Unfolded(dialect, node, root, given)
    blocks = Blocks(version)
    for line in unfolded.lines(main):
        blocks.take(line)
    blocks.end()
    found = interpret(
        Configuration(
            main,
            unfolded.texts,
            tuple(dict.fromkeys(unfolded.directories)),
            tuple(blocks.statements),
            complaints=blocks.complaints,
        ),
        dialect,
    )
    return found if blocks.runs_vrrp else replace(found, instances={})

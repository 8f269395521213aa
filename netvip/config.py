"""netvip.conf: INI like systemd's own, every key with a default."""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netvip.const import CONFIG_FILE, KEEPALIVED_CONF
from netvip.errors import ConfigError

KEYS = {"sources": {"dbus"}, "keepalived": {"config"}, "maintenance": {"apt"}}
APT = ("hold", "yield", "ignore")


@dataclass(frozen=True, slots=True)
class Config:
    """What an operator may set."""

    #: Whether to listen on the system bus; without it a loss is met, not foreseen.
    dbus: bool = True
    keepalived_conf: Path = Path(KEEPALIVED_CONF)
    #: What an apt run means: hold, yield or ignore.
    apt: str = "hold"


def files(main: Path = Path(CONFIG_FILE)) -> list[Path]:
    """The configuration files that are there, in the order they apply."""
    drop_ins = sorted(main.with_name(main.name + ".d").glob("*.conf"))
    return [path for path in (main, *drop_ins) if path.exists()]


def load(paths: Sequence[Path] | None = None) -> Config:
    """Read the configuration; raises ConfigError with file and line."""
    config = Config()
    for path in files() if paths is None else paths:
        config = _merge(config, path)
    return config


def _merge(config: Config, path: Path) -> Config:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    try:
        text = path.read_text(encoding="utf-8")
        parser.read_string(text, str(path))
        _refuse_unknown(parser, path, text)
        dbus = parser.getboolean("sources", "dbus", fallback=config.dbus)
    except (OSError, UnicodeDecodeError, configparser.Error) as problem:
        raise ConfigError(f"{path}{_line(problem)}: {_sentence(problem)}") from problem
    except ValueError as problem:
        where = _find(text, "dbus")
        raise ConfigError(f"{path}:{where}: [sources] dbus must be yes or no") from problem
    conf = parser.get("keepalived", "config", fallback=str(config.keepalived_conf))
    apt = parser.get("maintenance", "apt", fallback=config.apt)
    if apt not in APT:
        where = _find(text, "apt")
        raise ConfigError(f"{path}:{where}: [maintenance] apt must be one of {', '.join(APT)}")
    return Config(dbus, Path(conf), apt)


def _refuse_unknown(parser: configparser.ConfigParser, path: Path, text: str) -> None:
    sections = [*parser.sections(), *(["DEFAULT"] if parser.defaults() else [])]
    for section in sections:
        if section not in KEYS:
            raise ConfigError(
                f"{path}:{_find(text, f'[{section}]')}: there is no section "
                f"[{section}]; known are {', '.join(sorted(KEYS))}"
            )
        for key in set(parser[section]) - KEYS[section]:
            raise ConfigError(
                f"{path}:{_find(text, key)}: [{section}] has no key {key}; known "
                f"are {', '.join(sorted(KEYS[section]))}"
            )


def _find(text: str, start: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if start.startswith("["):
            found = line.strip().startswith(start)
        else:
            found = re.split("[=:]", line, maxsplit=1)[0].strip().lower() == start.lower()
        if found:
            return number
    return 1


def _line(problem: Exception) -> str:
    number = getattr(problem, "lineno", None)
    errors = getattr(problem, "errors", None)
    if number is None and errors:
        number = errors[0][0]
    return f":{number}" if number else ""


def _sentence(problem: Exception) -> str:
    if isinstance(problem, configparser.MissingSectionHeaderError):
        return "a line stands before the first [section]; put it into one"
    if isinstance(problem, (configparser.DuplicateOptionError, configparser.DuplicateSectionError)):
        return "given twice; remove one"
    if isinstance(problem, configparser.ParsingError):
        return "this line is no key = value; correct or remove it"
    if isinstance(problem, UnicodeDecodeError):
        return "not a text file; restore it"
    return f"cannot be read: {getattr(problem, 'strerror', problem)}"

"""netvip.conf: an INI file as systemd's are; every key has a default."""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path

from netvip.checks import service_spec
from netvip.const import CONFIG_FILE, KEEPALIVED_CONF
from netvip.core.check.policy import Policy, Wishes
from netvip.core.model import IP
from netvip.errors import ConfigError

KEYS = {
    "sources": {"dbus"},
    "keepalived": {"config"},
    "maintenance": {"apt"},
    "check": {"interval", "fall", "rise", "hosts", "service"},
    "failback": {"home"},
    "healing": {"restart"},
}
#: The keys of a section `[check INSTANCE]`.
OF_INSTANCE = {"hosts", "service"}
APT = ("hold", "yield", "ignore")
#: Seconds; 0 disables the periodic check.
LONGEST_INTERVAL = 3600.0
#: A larger number of findings in a row is a mistake.
MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Config:
    """The operator's settings."""

    #: Whether to listen on the system bus; without it netvip reacts to a loss only when it occurs.
    dbus: bool = True
    keepalived_conf: Path = Path(KEEPALIVED_CONF)
    #: What an apt run means: hold, yield or ignore.
    apt: str = "hold"
    check: Policy = field(default_factory=Policy)
    #: The home node of the VIPs, by name or address; empty for none.
    home: str = ""
    #: Whether netvip restarts a keepalived that stays in FAULT without a reason.
    restart: bool = False


def files(main: Path = Path(CONFIG_FILE)) -> list[Path]:
    """The configuration files that exist, in the order in which they apply."""
    drop_ins = sorted(main.with_name(main.name + ".d").glob("*.conf"))
    return [path for path in (main, *drop_ins) if path.exists()]


def load(paths: Sequence[Path] | None = None) -> Config:
    """Read the configuration. Raises ConfigError with file and line."""
    config = Config()
    for path in files() if paths is None else paths:
        config = _merge(config, path)
    return config


def _merge(config: Config, path: Path) -> Config:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    try:
        text = path.read_text(encoding="utf-8")
        parser.read_string(text, str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as problem:
        raise ConfigError(f"{path}{_line(problem)}: {_sentence(problem)}") from problem
    _refuse_unknown(parser, path, text)
    for section in parser.sections():
        for key, value in parser[section].items():
            try:
                config = _set(config, section, key, value)
            except ValueError as problem:
                where = f"{path}:{_find_in(text, section, key)}"
                raise ConfigError(f"{where}: [{section}] {key} {problem}") from None
    return config


def _set(config: Config, section: str, key: str, value: str) -> Config:
    match section, key:
        case "sources", "dbus":
            return replace(config, dbus=_flag(value))
        case "keepalived", _:
            return replace(config, keepalived_conf=Path(value))
        case "maintenance", _:
            return replace(config, apt=_one_of(value, APT))
        case "failback", _:
            return replace(config, home=value.strip())
        case "healing", _:
            return replace(config, restart=_flag(value))
    return replace(config, check=_check(config.check, section, key, value))


def _check(policy: Policy, section: str, key: str, value: str) -> Policy:
    name = section.partition(" ")[2].strip()
    match key:
        case "interval":
            return replace(policy, interval=_number(value, 0.0, LONGEST_INTERVAL))
        case "fall":
            return replace(policy, fall=_count(value))
        case "rise":
            return replace(policy, rise=_count(value))
    wishes = policy.own_wishes.get(name, Wishes()) if name else policy.wishes
    if key == "hosts":
        wishes = replace(wishes, hosts=tuple(map(_address, value.replace(",", " ").split())))
    else:
        lines = [line.strip() for line in value.splitlines() if line.strip()]
        wishes = replace(wishes, services=tuple(service_spec.parse(line).text for line in lines))
    if not name:
        return replace(policy, wishes=wishes)
    return replace(policy, own_wishes={**policy.own_wishes, name: wishes})


def _flag(value: str) -> bool:
    flags = configparser.ConfigParser.BOOLEAN_STATES
    if value.strip().lower() not in flags:
        raise ValueError("must be yes or no")
    return flags[value.strip().lower()]


def _one_of(value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(f"must be one of {', '.join(known)}")
    return value


def _number(value: str, least: float, most: float) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value) or not least <= float(value) <= most:
        raise ValueError(f"must be a number from {least:.0f} to {most:.0f}")
    return float(value)


def _count(value: str) -> int:
    if not re.fullmatch(r"\d{1,6}", value) or not 1 <= int(value) <= MOST_FINDINGS:
        raise ValueError(f"must be a whole number from 1 to {MOST_FINDINGS}")
    return int(value)


def _address(text: str) -> IP:
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"must list IP addresses; {text!r} is not one") from None


def _refuse_unknown(parser: configparser.ConfigParser, path: Path, text: str) -> None:
    sections = [*parser.sections(), *(["DEFAULT"] if parser.defaults() else [])]
    for section in sections:
        known = OF_INSTANCE if section.startswith("check ") else KEYS.get(section)
        if known is None:
            raise ConfigError(
                f"{path}:{_find(text, f'[{section}]')}: unknown section "
                f"[{section}]; known sections: {', '.join(sorted(KEYS))}"
            )
        for key in set(parser[section]) - known:
            raise ConfigError(
                f"{path}:{_find(text, key)}: unknown key {key} in [{section}]; known keys: "
                f"{', '.join(sorted(known))}"
            )


def _find_in(text: str, section: str, key: str) -> int:
    """The line of a key in its section; other sections may have a key of that name."""
    begun = _find(text, f"[{section}]") - 1
    rest = "\n".join(text.splitlines()[begun:])
    return begun + _find(rest, key)


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
        return "this line is outside any section; put it below a [section]"
    if isinstance(problem, (configparser.DuplicateOptionError, configparser.DuplicateSectionError)):
        return "this section or key is given twice; remove one"
    if isinstance(problem, configparser.ParsingError):
        return "this line is not of the form key = value; correct or remove it"
    if isinstance(problem, UnicodeDecodeError):
        return "the file is not UTF-8 text; correct it"
    return f"cannot read the file: {getattr(problem, 'strerror', problem)}"

"""What the files of an adoption are without it: as they were, where nothing else was changed in
them since; else as they are, without netvip's lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from netvip.errors import ConfigError
from netvip.keepalived.backup import Saved
from netvip.keepalived.configuration import Configuration
from netvip.keepalived.files import content, decoded, encoded
from netvip.keepalived.unadoption import leftovers, unadopted

#: Reads the configuration, with texts that take the place of files.
Reader = Callable[[Mapping[Path, str]], Configuration]


@dataclass(frozen=True, slots=True)
class Reverted:
    """The bytes of each file (None: it did not exist), which of them were edited since, and the
    places of lines of netvip's that stay: a definition makes them, or nothing reads them now."""

    contents: dict[Path, bytes | None]
    edited: tuple[Path, ...] = ()
    left: tuple[str, ...] = ()


def reverted(saved: Mapping[Path, Saved], read: Reader) -> Reverted:
    """The files without the adoption. Raises ConfigError where one was edited and the configuration
    cannot be read."""
    now = {path: content(path) for path in saved}
    # As before: a revert was interrupted.
    edited = [path for path, texts in saved.items() if now[path] not in (texts.after, texts.before)]
    contents = {path: texts.before for path, texts in saved.items() if path not in edited}
    if not edited:
        return Reverted(contents)
    configuration = read({})
    before, after = _as_saved(read, *_texts(saved))
    for path, text in unadopted(configuration, before, after).items():
        contents.setdefault(path, encoded(text))
    for path in edited:  # what adopt wrote besides the configuration
        if path not in configuration.texts and saved[path].before is None:
            contents[path] = None
    texts = {path: decoded(data) for path in edited if (data := now[path]) is not None}
    texts |= {path: text for path, text in configuration.texts.items() if path not in contents}
    texts |= {path: decoded(data) for path, data in contents.items() if data is not None}
    known = [decoded(one.before) for one in saved.values() if one.before is not None]
    return Reverted(contents, tuple(edited), tuple(leftovers(texts, known)))


def _texts(saved: Mapping[Path, Saved]) -> tuple[dict[Path, str], dict[Path, str]]:
    before = {path: decoded(one.before) for path, one in saved.items() if one.before is not None}
    return before, {path: decoded(one.after) for path, one in saved.items()}


def _as_saved(read: Reader, *texts: Mapping[Path, str]) -> tuple[Configuration, Configuration]:
    try:
        before, after = map(read, texts)
    except ConfigError:  # a file that it includes is gone: nothing is known of either
        before = after = Configuration(Path(), {}, (), ())
    return before, after

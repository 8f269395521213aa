"""Names of files below another root directory, as a process sees them whose root that is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

HOST = Path("/")
#: The kernel's own limit (path_resolution(7)).
MOST_LINKS = 40


def below(root: Path, path: Path) -> Path:
    """The file that an absolute name stands for below a root directory. Links are followed as they
    are from there, so none leads out of it. Raises OSError (ELOOP)."""
    if root == HOST:
        return path
    here, links = root, 0
    ahead = [*reversed(path.parts)]
    while ahead:
        part = ahead.pop()
        if part == "/":
            here = root
        elif part == "..":
            here = here.parent if here != root else root
        elif (here / part).is_symlink():
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            ahead += reversed(Path(os.readlink(here / part)).parts)
        else:
            here /= part
    return here

"""The Debian releases that the lab has nodes of."""

from __future__ import annotations

import os

#: These two gate. `make matrix` adds bookworm with systemd 254 (backports), and sid, which moves.
SUITES = os.environ.get("NETVIP_LAB_SUITES", "bookworm trixie").split()

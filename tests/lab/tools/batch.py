"""How long `ip -batch` takes. usage: batch.py FILE"""

from __future__ import annotations

import json
import subprocess
import sys
import time

begun = time.monotonic()
done = subprocess.run(["ip", "-force", "-batch", sys.argv[1]], capture_output=True, text=True)
ended = time.monotonic()
print(json.dumps({"begun": begun, "ended": ended, "errors": done.stderr}))

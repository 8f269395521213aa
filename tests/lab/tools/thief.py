"""thief IFACE ADDRESS SECONDS [EVERY]: deletes an address that is on the interface, for so long,
or until stdin closes.

Prints when it first did, on the monotonic clock, as JSON.
"""

import json
import subprocess
import sys
import threading
import time

interface, address, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
every = float(sys.argv[4]) if sys.argv[4:] else 0.02
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
print("ready", flush=True)
first = None
end = time.monotonic() + seconds
while time.monotonic() < end and not stop.is_set():
    command = ["ip", "address", "delete", address, "dev", interface]
    if subprocess.run(command, capture_output=True).returncode == 0 and first is None:
        first = time.monotonic()
    time.sleep(every)
print(json.dumps({"first": first}))

"""How long after each deletion of an address its shield is up.

usage: cycles.py INTERFACE ADDRESS COUNT PAUSE COMMAND…

COMMAND has the address deleted. Each cycle waits until the shield was added to lo and removed
again, and the address is back; then for PAUSE seconds. Prints the reaction times in seconds. Times
are those at which the kernel's notification was read, with real-time priority, so that a busy
machine does not delay the measurement itself; what it starts does not inherit the priority.
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import subprocess
import sys
import time

import watch

PRIORITY = 50
#: Seconds until a cycle is given up.
LIMIT = 10.0


def main(interface: str, wanted: str, count: int, pause: float, command: list[str]) -> None:
    urgent = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    os.sched_setscheduler(0, urgent, os.sched_param(PRIORITY))
    here, lo = socket.if_nametoindex(interface), socket.if_nametoindex("lo")
    found: list[float] = []
    missed = 0
    with watch.listener() as heard:
        print("ready", flush=True)
        for _ in range(count):
            started = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            times: dict[tuple[int, str], float] = {}
            end = time.monotonic() + LIMIT
            over = {(here, "del"), (lo, "add"), (here, "add"), (lo, "del")}
            while not over <= times.keys() and time.monotonic() < end:
                if select.select([heard], [], [], 0.2)[0]:
                    for event in watch.events(heard.recv(65536), time.monotonic()):
                        if event["address"] == wanted:
                            times.setdefault((event["index"], event["what"]), event["time"])
            started.wait()
            if over <= times.keys():
                found.append(times[lo, "add"] - times[here, "del"])
            else:
                missed += 1
            # Not in step with the daemon's own timers.
            time.sleep(pause * random.uniform(0.5, 1.5))
            while select.select([heard], [], [], 0)[0]:
                heard.recv(65536)
    print(json.dumps({"reactions": found, "missed": missed}))


interface, wanted, count, pause, *command = sys.argv[1:]
main(interface, wanted, int(count), float(pause), command)

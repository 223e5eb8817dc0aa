"""A worker that measures nothing: what it answers is in the signature of a job. Speaks without plait, so that it starts
at once. Arguments: its greeting as JSON; a file to log requests in.

`ok N`: the time is N; `kill`: it ends; `kill-once FILE`: it ends if there is such a file, which goes; `orphan-once
FILE`: then the process that started it ends; `gone HOST`: if it is on this host, it ends and starts no more; `hang`.
"""

import json
import os
import signal
import struct
import sys
import time


def say(data: object) -> None:
    body = json.dumps(data).encode()
    os.write(1, struct.pack("<I", len(body)) + body)


greeting, log = json.loads(sys.argv[1]), sys.argv[2]
gone = f"{log}.{greeting['machine']['host']}.gone"
if os.path.exists(gone):
    sys.exit("no route to host")
say(greeting)
while head := sys.stdin.buffer.read(4):
    job = json.loads(sys.stdin.buffer.read(struct.unpack("<I", head)[0]))["job"]
    what, _, argument = job["signature"].partition(" ")
    with open(log, "a") as file:
        file.write(f"{greeting['machine']['host']} {os.getpid()} {job['signature']}\n")
    if what == "hang":
        time.sleep(1000)
    if what == "gone" and greeting["machine"]["host"] == argument:
        open(gone, "w").close()
    if what in ("kill", "gone") and os.path.exists(gone) | (what == "kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if what in ("kill-once", "orphan-once") and os.path.exists(argument):
        os.remove(argument)
        os.kill(os.getpid() if what == "kill-once" else os.getppid(), signal.SIGKILL)
        time.sleep(1000 if what == "orphan-once" else 0)
    say({"status": "ok", "samples": [int(argument or 0) if what == "ok" else 7], "message": ""})

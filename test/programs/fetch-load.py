# SPDX-License-Identifier: Apache-2.0
"""Opens one HTTP connection after another until SIGTERM, several at a time, never blocking in a socket call, and prints what became of each.

usage: fetch-load.py HOST PORT PATH PER-SECOND DEADLINE-SECONDS [steady]
The time that a slow machine takes to begin one comes on top of the pause, so there are fewer; not so with steady.
Prints one JSON object: {"ok": N, "failed": {reason: N}, "late": N, "slowest": seconds, "length": bytes of the last body}
"""

import asyncio
import json
import signal
import sys
import time


async def fetch(host, port, path):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        await writer.drain()
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head:
        raise ValueError("no answer" if not answer else "status")
    return body


async def main():
    host, port, path, rate, deadline = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), float(sys.argv[5])
    steady = sys.argv[6:] == ["steady"]
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    result = {"ok": 0, "failed": {}, "late": 0, "slowest": 0.0, "length": 0}

    async def one():
        started = time.monotonic()
        try:
            body = await asyncio.wait_for(fetch(host, port, path), deadline)
            result["ok"] += 1
            result["length"] = len(body)
        except asyncio.TimeoutError:
            result["late"] += 1
        except (OSError, ValueError) as error:
            name = type(error).__name__ + ": " + str(error)
            result["failed"][name] = result["failed"].get(name, 0) + 1
        result["slowest"] = max(result["slowest"], time.monotonic() - started)

    tasks = set()
    due = time.monotonic()
    while not stopping.is_set():
        task = asyncio.create_task(one())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            # What was late is made up for, but never more than a second of it at once.
            due = max(due + 1 / rate, time.monotonic() - 1) if steady else time.monotonic() + 1 / rate
            await asyncio.wait_for(stopping.wait(), max(0.001, due - time.monotonic()))
        except asyncio.TimeoutError:
            pass
    if tasks:
        await asyncio.wait(tasks)
    print(json.dumps(result))


asyncio.run(main())

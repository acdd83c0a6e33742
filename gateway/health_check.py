"""What Docker asks our services every few seconds: `python -I -S gateway/health_check.py [PORT | switcher]`.

Nothing but a socket or a file: starting Python with an HTTP client took longer than the answer may, on a busy
machine. Ends with 0 where /health/ready answers 200, or where the switcher was at work just now; else with 1
and what was wrong.
"""

from __future__ import annotations

import os
import socket
import sys
import time

PORT = 8080
SWITCHER = "switcher"
HEARTBEAT = "switcher.heartbeat"
"""A file in the data folder, touched whenever a switcher has reported to the database that it is there."""
LONGEST_SILENCE_S = 30.0
TIMEOUT_S = 4.0
REQUEST = b"GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n"
MOST_BYTES = 4096


def find_problem(port: int) -> str:
    """Why the web service on this machine is not ready; empty where it is."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(REQUEST)
            answer = connection.recv(MOST_BYTES)
    except OSError as exc:
        return f"port {port}: {exc}"
    status = answer.split(b" ", 2)[1:2]
    return "" if status == [b"200"] else answer.decode(errors="replace")


def find_switcher_problem(heartbeat: str) -> str:
    """Why the switcher of that data folder seems to do nothing; empty where it was at work just now."""
    try:
        silent_s = time.time() - os.stat(heartbeat).st_mtime
    except OSError as exc:
        return f"it has not begun, or cannot write: {exc}"
    if silent_s > LONGEST_SILENCE_S:
        return f"nothing done for {silent_s:.0f} s: it hangs, or the database does not answer (see its log)"
    return ""


if __name__ == "__main__":
    asked = sys.argv[1] if sys.argv[1:] else ""
    if asked == SWITCHER:
        sys.exit(find_switcher_problem(f"{os.environ['GATEWAY_DATA_DIR']}/{HEARTBEAT}") or 0)
    sys.exit(find_problem(int(asked) if asked else PORT) or 0)

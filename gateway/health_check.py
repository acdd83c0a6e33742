"""What Docker asks the web service every few seconds: `python -I -S gateway/health_check.py [PORT]`.

Nothing but a socket: starting Python with an HTTP client took longer than the answer may, on a busy machine.
Ends with 0 where /health/ready answers 200, else with 1 and what was wrong.
"""

from __future__ import annotations

import socket
import sys

PORT = 8080
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


if __name__ == "__main__":
    sys.exit(find_problem(int(sys.argv[1]) if sys.argv[1:] else PORT) or 0)

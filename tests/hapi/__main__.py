"""
Starts a HAPI server for a person: ``python -m tests.hapi [--release R5] [--port 8080] [--database PATH]``.

Prints its base URL when it answers; Ctrl-C stops it.
"""

from __future__ import annotations

import argparse
import signal
import socket
import sys
from pathlib import Path

from .server import PROGRAM, RELEASES, HapiServer


def main(arguments: list[str]) -> int:
    """Starts a server and waits; 0 when it was stopped, 1 if it could not be started."""
    parser = argparse.ArgumentParser(prog="python -m tests.hapi", description="A HAPI FHIR server on this machine.")
    parser.add_argument("--release", choices=RELEASES, default="R4", help="of FHIR [R4]")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one [8080]")
    parser.add_argument("--database", type=Path, help="a file, without its suffix, that is kept [in memory]")
    chosen = parser.parse_args(arguments)
    if reason := PROGRAM.lacking():
        print(reason, file=sys.stderr)
        return 1
    if chosen.port and taken(chosen.port):
        print(f"Port {chosen.port} is taken; port 0 takes a free one.", file=sys.stderr)
        return 1
    server = HapiServer(chosen.release, chosen.database, port=chosen.port, long_lived=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print(
        f"HAPI {chosen.release} is being started, which takes a minute or two; the first time it is built, too.",
        flush=True,
    )
    try:
        with server:
            print(f"{server.base_url}\nCtrl-C stops it.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("Stopped.")
    except RuntimeError as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def taken(port: int) -> bool:
    """Whether something listens at a port of this machine already."""
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

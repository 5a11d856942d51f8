"""The exit codes of the command line, which scripts rely on."""

from __future__ import annotations

REFUSED = 1
"""Some records were refused."""
USAGE = 2
"""The command, or a mapping file, is wrong."""
SERVER = 3
"""A server cannot be reached, or does not want us; another run goes on."""
BROKEN_PIPE = 128 + 13
"""What a shell shows for a program that wrote to a pipe which nobody reads any more."""
INTERRUPTED = 128 + 2
"""What a shell shows for a program that was stopped with Ctrl-C."""

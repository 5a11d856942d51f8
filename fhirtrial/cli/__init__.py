"""The command line: the only place that prints and exits."""

from fhirtrial.cli.app import main

__all__ = ["main"]

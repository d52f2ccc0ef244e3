"""`python3 -m lab`."""

from lab.cli.main import entry

entry()

"""`python -m sniffer` is the `sniffer` command."""

from sniffer.cli.main import main

main()

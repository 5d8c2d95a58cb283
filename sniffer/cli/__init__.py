"""One file a command of the command line; `sniffer.cli` has the table."""

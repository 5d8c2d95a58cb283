"""Packets that another machine captures and sends: each sender a small file, supervised by `source`."""

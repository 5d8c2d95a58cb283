"""Captures in files and pipes: pcap, pcapng, gzip."""

"""Where packets come from: files, standard input, a live interface. The only stage that opens anything.

A source is an iterable of `model.FrameBlock`; `sniffer.decode` turns each into a `model.PacketBatch`.
"""

"""A house simulator: months of speakers in minutes, with the truth beside the packets.

Packets, not sockets: each behaviour is a set of writes in time (`behaviours`), the network bends them (`network`), and
they come out as `PacketBatch` columns (`columns`). Who does what and how often is drawn for each house from its seed
(`speakers`, `months`), wider than in any real set. `score` compares what a detector says with what happened.

Nothing here is shared with our detector: no code, no constant, no idea of what it looks at. It is used through its
public interface only, beside the comparison detectors (`contenders`).
`python -m sniffer.evaluation.lab --months 100 --seed 1` prints the table of docs/detection.md.
"""

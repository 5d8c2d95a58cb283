"""Score the detector against labelled captures, beside the comparison detectors: what `sniffer evaluate` does."""

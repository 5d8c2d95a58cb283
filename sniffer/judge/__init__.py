"""Correlation of uploads with wake events, rules, verdicts, explanation. No I/O."""

"""The vendor's own record, laid beside what was seen: readers of exports, matching, and the comparison.

Nothing is fetched: people download their exports themselves (docs/reconcile.md) and give the files.
"""

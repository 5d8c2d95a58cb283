"""Which records become alerts, how often, and the daily digest."""

"""Which tiers a document is asked of: rules, the route of a run, and the watch over it."""

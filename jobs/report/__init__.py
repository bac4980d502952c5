"""The report of a run: one page, made from the run's objects alone."""

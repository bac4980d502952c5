"""Who composes it: the job spec, the wiring of concrete things, and the command line."""

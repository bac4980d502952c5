"""`python -m jobs`: the same as `gleaner`."""

from jobs.cli.main import main

main()

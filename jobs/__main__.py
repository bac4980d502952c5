"""`python -m jobs`: the same as `gleaner`."""

from jobs.cli import main

main()

"""The job spec: every field that a job file may have, and the rules between them."""

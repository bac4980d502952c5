"""The demo: invented business documents with known answers and two tiny models that read them.

Boundary: nothing here is imported by the pipeline; the demo job names these files from outside.
Invariant: every file under `models/` can be made again by `python -m jobs.demo.train`.
"""

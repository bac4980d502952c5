"""The rehearsal: a real run on a local many-node Ray, with nodes that are taken from it.

Boundary: everything under test is the product as a user runs it, in processes of its own; what is
here starts, interrupts and judges. Nothing imports it but the command line.
"""

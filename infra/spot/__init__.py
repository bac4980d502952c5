"""Nodes that may have to go: what their clouds announce, what Ray is told."""

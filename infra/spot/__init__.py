"""Nodes that may have to go: what Ray knows of them."""

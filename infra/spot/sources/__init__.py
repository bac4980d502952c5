"""Where a node learns that its machine goes, one file per cloud."""

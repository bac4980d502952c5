"""Where a run lives: object stores, spot notices, prices. Imports none of our other packages."""

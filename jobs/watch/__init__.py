"""A run followed live: in a terminal, or on a page for the browser."""

"""One module per kind of input: bytes in, records or text out."""

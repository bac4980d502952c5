"""Ready job files for common tasks; `gleaner init --recipe NAME` writes one."""

"""Root causes: the elements of a cube of dimensions below which leaves are off by a common share (docs/adr/0013)."""

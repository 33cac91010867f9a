"""A real Trino, asked for its answers and beside the local engine (CONTRIBUTING.md, "A real Trino")."""

"""Tools for development, which no user has."""

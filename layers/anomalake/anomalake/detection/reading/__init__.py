"""Source data as metrics: files and tables, row by row, bad ones told."""

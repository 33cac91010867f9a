"""The page: what a lake holds, as one document, and the HTML file that shows it (docs/adr/0007)."""

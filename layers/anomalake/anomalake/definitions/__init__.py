"""What a detector is: its file, checked, as records."""

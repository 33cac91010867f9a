"""Quality and time of the search of root causes, beside other methods."""

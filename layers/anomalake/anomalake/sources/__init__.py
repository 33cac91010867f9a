"""Reading of source data: files and tables as `Metrics`.

`reading` is the entry point. A new file format gets a module that yields `RowBlock`s, and a case in `file_reading`."""

"""Items in bulk: whole batches as Arrow columns, from what a file holds to the rows of `items`.

A batch is read in columns (`lines`: texts of JSON, each parsed, picked from and forgotten;
`tables`: rows of stac-geoparquet, which are columns already), what it says is looked up in columns
(`frame` and a module a sensor), and rows of the table `items` come out (`rows`). Only items in
their plain form go this way: every column reader clears the mark of the items that it is not sure
of, and those are read one by one by `geosr_lake.archives.normalise`, which is the reference. Rows
of both ways are equal to the last bit.
"""

"""Facts of the data sets, each once; plain python and numpy."""

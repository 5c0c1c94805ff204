"""Settings: command line, files, and what is wrong with them."""

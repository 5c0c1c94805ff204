"""Facts of the data sets: cameras, split files, gallery draws."""

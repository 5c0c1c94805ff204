"""Weight files: the only place that opens one; nothing in it runs."""

"""The GPU proof: plans the time, runs each part, writes the page."""

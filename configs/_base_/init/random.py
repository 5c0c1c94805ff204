# Train from random weights.
model = dict(init_from=None)

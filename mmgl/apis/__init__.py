"""What a user does: train, test, probe, convert, evaluate features."""

"""Search among stored features."""

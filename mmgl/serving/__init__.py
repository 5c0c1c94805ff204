"""The HTTP service and its page: an embedder and a gallery for others."""

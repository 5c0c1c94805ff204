"""From features to ranks and scores, exact with ties."""

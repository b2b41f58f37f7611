"""Input, Dense, Embedding, and layers without arithmetic of their own."""

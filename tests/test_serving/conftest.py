"""A published model and photographs to embed."""

from deployed import bundle, checkpoint, embedder, photographs

__all__ = ['bundle', 'checkpoint', 'embedder', 'photographs']

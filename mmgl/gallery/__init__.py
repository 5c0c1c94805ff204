"""Galleries: people to search among, and indexes of features.

:class:`Gallery` keeps names and metadata for a running system;
``GalleryIndex`` searches feature files far larger than memory likes.
"""

"""Clusters of images, without labels."""

import numpy as np
import numpy.typing as npt

from .ranking import Reranking, Values, jaccard_graph


def cluster_images(
    features: Values,
    eps: float = 0.6,
    min_samples: int = 4,
    k1: int = 30,
    k2: int = 6,
) -> npt.NDArray[np.int64]:
    """Number the clusters of features ``(n, d)`` from 0; -1 is for none.

    DBSCAN on the Jaccard distance of k-reciprocal neighbours, as in Cluster
    Contrast (Dai et al., ACCV 2022) and its successors. A cluster grows from
    images with ``min_samples`` images, themselves included, up to ``eps``
    (0 to 1) away.
    """
    # Takes a second to load.
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import sort_graph_by_row_values

    graph = jaccard_graph(features, eps, how=Reranking(k1, k2))
    graph = sort_graph_by_row_values(graph, warn_when_not_sorted=False)
    clusters = DBSCAN(eps=eps, min_samples=min_samples, metric='precomputed')
    return np.asarray(clusters.fit_predict(graph), dtype=np.int64)

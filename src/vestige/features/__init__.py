"""Images to stored features."""

from vestige.features.dense import DenseFeatures, extract_dense
from vestige.features.extract import ExtractOptions, extract
from vestige.features.readout import Readout, default_readout, parse_readout
from vestige.features.store import Features, Pruned, StoreInfo, cache_root, list_stores, prune

__all__ = [
    "DenseFeatures",
    "ExtractOptions",
    "Features",
    "Pruned",
    "Readout",
    "StoreInfo",
    "cache_root",
    "default_readout",
    "extract",
    "extract_dense",
    "list_stores",
    "parse_readout",
    "prune",
]

"""Images to stored features."""

from vestige.features.extract import ExtractOptions, extract
from vestige.features.readout import Readout, default_readout, parse_readout
from vestige.features.store import Features, Pruned, StoreInfo, cache_root, list_stores, prune

__all__ = [
    "ExtractOptions",
    "Features",
    "Pruned",
    "Readout",
    "StoreInfo",
    "cache_root",
    "default_readout",
    "extract",
    "list_stores",
    "parse_readout",
    "prune",
]

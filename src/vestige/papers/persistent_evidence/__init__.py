"""Persistent Evidence of Local Image Properties in Generic ConvNets."""

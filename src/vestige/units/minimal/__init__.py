"""Minimal pictures: what a network needs to see to name a picture right."""

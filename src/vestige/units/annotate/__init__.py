"""The annotation application: people say what units are about."""

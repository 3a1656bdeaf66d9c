"""HTTP: bytes for readers, and what they ask for handed to the service."""

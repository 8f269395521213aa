"""The probes of the coordinated check, each with its own deadline."""

"""What is known only by asking: probes of the coordinated check, each with its own deadline."""

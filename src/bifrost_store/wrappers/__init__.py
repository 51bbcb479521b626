"""What must hold for all repositories and all backends, each written once as a `Backend` around a `Backend`."""

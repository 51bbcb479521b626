"""What every HTTP server of this kind needs and nothing of its data: HTTP, certificates, signatures, JSON, error answers."""

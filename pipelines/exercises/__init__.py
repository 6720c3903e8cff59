"""What is to be learned and varied: YAML -> ``Exercise``, configurations, spaces, and the registry of settings."""

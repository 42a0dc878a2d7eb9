"""Settings from options, YAML files and presets."""

"""What a Phoenix process needs on its host: data directory, configuration, key holder, logs."""

"""The operators' HTTP API; one file per resource."""

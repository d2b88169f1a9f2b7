"""Notifications: alerts are told by mail and webhook, at once or as a digest, and surely."""

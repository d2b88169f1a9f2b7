"""The file-server agent: backup and restore at the protected server."""

"""The programs that are measured, each behind the same few operations."""

"""Programs for those who work on Phoenix."""

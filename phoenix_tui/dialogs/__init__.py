"""One question a file; each answers with a type of its own."""

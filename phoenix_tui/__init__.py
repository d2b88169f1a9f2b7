"""The Textual console; knows the core only through its HTTP API."""

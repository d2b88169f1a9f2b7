"""TLS, enrolment, tokens and wire messages between the core and its peers."""

"""The few styles that text in the console has; every theme gives them its colours."""

GOOD = "$text-success"
WARN = "$text-warning"
BAD = "bold $text-error"
DIM = "$text-muted"
LIVE = "bold $text-primary"
STRONG = "bold"
PLAIN = ""

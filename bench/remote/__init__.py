"""Phoenix through a line of 1 Gbit/s and 20 ms."""

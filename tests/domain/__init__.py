"""Tests of the domain's types and words."""

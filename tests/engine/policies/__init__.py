"""Tests of policies, rules, groups and their scheduler."""

"""The Master: job queue, workflows, assignment, proof of packs."""

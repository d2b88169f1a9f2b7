"""Server groups, backup policies and content rules: kept, checked, and carried out on schedule."""

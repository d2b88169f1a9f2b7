"""The agent on a Windows server. What touches Windows is behind `seam`; all else runs anywhere."""

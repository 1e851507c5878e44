"""The generic solver of periodic evolution equations."""

"""Images in motion: digits that move across a periodic canvas or turn about its centre."""

"""Conservative finite volumes: laws in flux form with and without diffusion, and shallow water over a bed."""

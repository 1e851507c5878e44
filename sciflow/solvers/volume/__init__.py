"""Conservative finite volumes for first-order laws: conservation laws in flux form, and shallow water over a bed."""

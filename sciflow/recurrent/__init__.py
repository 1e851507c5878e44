"""Flow-equivariant recurrent networks: memory that moves with the field."""

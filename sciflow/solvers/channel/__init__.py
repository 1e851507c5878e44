"""Turbulent flow between two walls: grid, transforms, wall-normal solves, stepping, subgrid models, statistics."""

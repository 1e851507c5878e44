"""Factorized attention: integrals along one axis of the grid at a time, with kernels found from the field itself.

``axes``      positions along each axis, their angles for the kernels, quadrature weights
``kernel``    the kernel of one axis from the field averaged over the others
``integral``  all integrals, their normalisation and the map that joins them, in blocks that fit the cache
``block``     layer normalisation, kernels, integrals, perceptron: one block of the transformer
``lift``      from frames to channels, position and case conditions, and back to fields
``implicit``  one block iterated: the body of IFactFormer-m and IFactFormer-o
"""

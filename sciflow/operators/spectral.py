"""Spectral convolution: the linear map of a Fourier layer, a multiplier on the lowest Fourier modes."""

from __future__ import annotations
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from sciflow.operators import fourier

class SpectralConv(nn.Module):
    def __init__(self, channels_in, channels_out, modes, *, padding=None, transform="auto"):
        super().__init__()
        self.channels_in, self.channels_out = channels_in, channels_out
        self.modes = tuple(modes)
        self.padding = tuple(padding) if padding is not None else (0.0,)*len(self.modes)
        self.transform = transform
        pairs = (math.prod(2*k+1 for k in self.modes)-1)//2
        std = (2*channels_in)**-0.5
        self.mean = nn.Parameter(torch.randn(channels_in, channels_out)*std)
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.weight = nn.Parameter(torch.randn(pairs, channels_in, channels_out, 2)*std)

    def forward(self, x):
        space = x.shape[1:-1]
        lengths = [fourier.extended_length(n, p) for n, p in zip(space, self.padding)]
        modes = [fourier.kept(k, l) for k, l in zip(self.modes, lengths)]
        fft = self.transform == "fft" 
        an, sy = (fourier.analyse_fft, fourier.synthesise_fft) if fft else (fourier.analyse_matmul, fourier.synthesise_matmul)
        return sy(self._multiply(an(x, modes, lengths), modes), space, modes, lengths)

    def _multiply(self, s, modes):
        batch = s.shape[0]
        box = s.shape[1:-2]
        s = s.flatten(1, -3)
        zero = (math.prod(2*k+1 for k in modes[1:])-1)//2
        _, m, pairs = s.split([zero, 1, s.shape[1]-zero-1], 1)
        mean = torch.addmm(self.bias, m[:, 0, 0], self.mean)
        pairs = pairs.permute(1, 2, 0, 3).reshape(-1, 2*batch, self.channels_in)
        p = torch.bmm(pairs, self.weight.flatten(2)).view(-1, 2, batch, self.channels_out, 2)
        (rr, ri), (ir, ii) = (q.unbind(-1) for q in p.unbind(1))
        out = torch.stack((rr - ii, ri + ir), 1).permute(2, 0, 1, 3)
        m = torch.stack((0.5*mean, torch.zeros_like(mean)), 1)[:, None]
        zeros = out.new_zeros(batch, zero, 2, self.channels_out)
        return torch.cat((zeros, m, out), 1).view(batch, *box, 2, self.channels_out)

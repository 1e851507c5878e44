from __future__ import annotations
from collections.abc import Sequence
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from sciflow.operators.spectral import SpectralConv
from sciflow.operators.sizes import Sizes

import os
R=int(os.environ.get('R','2'))
import os
CV=False
def pw(l,h):
    if not CV: return l(h)
    B,S,*_,C=h.shape
    return F.conv2d(h.view(B,S,-1,C).permute(0,3,1,2), l.weight[:,:,None,None]).permute(0,2,3,1).reshape(h.shape)
class FNO(nn.Module):
    def __init__(self, sizes, *, width=32, layers=4, modes=12, padding=.25, coordinates=True, transform="auto"):
        super().__init__()
        self.sizes=sizes
        g = sizes.channels_in + sizes.mask + (sum(2 if p else 1 for p in sizes.periodic) if coordinates else 0)
        self.coordinates=coordinates
        self.lift = nn.Linear(g, width)
        self.condition = nn.Linear(sizes.conditions, width, bias=False)
        ks=(modes,)*sizes.dims
        pad=tuple(0. if p else padding for p in sizes.periodic); transform="matmul" if transform=="auto" else transform
        self.spectral=nn.ModuleList(SpectralConv(width,width,ks,padding=pad,transform=transform) for _ in range(layers))
        self.linear=nn.ModuleList(nn.Linear(width,width,bias=False) for _ in range(layers))
        self.project=nn.Linear(width,sizes.channels_out)
    def forward(self,x,*,parameters,signals,mask,coordinates,dt):
        B=x.shape[0]
        f=[x.flatten(1,2)]
        if self.sizes.mask: f.append(mask)
        if self.coordinates:
            for i,p in enumerate(self.sizes.periodic):
                c=coordinates[:,i:i+1]
                f += [torch.cos(2*torch.pi*c),torch.sin(2*torch.pi*c)] if p else [c]
        f=torch.cat([a.movedim(1,-1) for a in f],-1)
        c=self.condition(torch.cat((parameters,signals.flatten(1),dt[:,None]),1))
        h=torch.baddbmm((c+self.lift.bias)[:,None],f.flatten(1,-2),self.lift.weight.mT.expand(B,-1,-1)).view(*f.shape[:-1],-1)
        for i,(s,l) in enumerate(zip(self.spectral,self.linear)):
            h=pw(l,h)+s(h)
            h=F.gelu(h)
        y=self.project(h).movedim(-1,1)
        return y.unflatten(1,(self.sizes.frames_out,self.sizes.fields))

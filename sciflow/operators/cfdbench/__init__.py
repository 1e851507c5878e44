"""The networks of the CFDBench benchmark (Luo et al. 2023, arXiv:2310.05963), each with its published sizes.

They forecast one frame from one frame (``auto-…``, ``cfdbench-resnet``, ``cfdbench-fno``, ``cfdbench-unet``), or find
the field of a time from the case parameters alone (``cfdbench-ffn``, ``cfdbench-deeponet``). In the benchmark the
point-wise ones give the velocity u alone, the others u and v. Here each takes and gives all fields of the data set: the
channels for fields and the outputs are as many times more, and with one field (two for ResNet, FNO and U-Net) the
numbers of parameters are the published ones. Parameters that were published but never used are left out.

They do not know boundary values that vary in time, nor the time step (see ``traits``). Those that add the last frame to
their output are trained with ``predict="state"``. The published training is ``predict="state", normalise="cfdbench",
loss="nmse", optimizer="adam", learning_rate=1e-3, weight_decay=0, warmup=0, schedule="step", clip=None, ema=0`` with
batches of 128 frames for 100 epochs (``points=1000`` for the parametric ones).
"""

from __future__ import annotations

"""Classical methods: what a network has to beat. Each one is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sciflow.core.registry import Registry

if TYPE_CHECKING:
    from sciflow.core.method import Method

methods: Registry[type[Method]] = Registry("method", "sciflow.methods")
methods.add("persistence", "sciflow.baselines.persistence:Persistence", summary="holds the last context frame")
methods.add("mean", "sciflow.baselines.mean:MeanField", summary="the mean training case, with its variance")
methods.add("nearest", "sciflow.baselines.nearest:Nearest", summary="nearest training case, at the same time")
methods.add(
    "interpolation",
    "sciflow.baselines.interpolation:Interpolation",
    summary="interpolation in the case parameters, at the same time",
)
methods.add("pod-ridge", "sciflow.baselines.pod_ridge:PodRidge", summary="POD and a ridge map of its coefficients")
methods.add(
    "pod-gp", "sciflow.baselines.pod_gp:PodGaussianProcess", summary="POD and a Gaussian process, with variance"
)
methods.add(
    "pca-ridge",
    "sciflow.baselines.pca_ridge:PcaRidge",
    summary="principal components of inputs and fields, and a linear map between them",
)
methods.add(
    "pca-gp",
    "sciflow.baselines.pca_gp:PcaGaussianProcess",
    summary="principal components and a Gaussian process between them, with variance",
)
methods.add(
    "gappy-pod", "sciflow.baselines.gappy_pod:GappyPod", summary="POD conditioned on observations, with variance"
)
methods.add("kriging", "sciflow.baselines.kriging:Kriging", summary="Gaussian process in space and time for each case")
methods.add(
    "anp",
    "sciflow.conservation.neural_process.method:AttentiveNeuralProcess",
    summary="attentive neural process: observations to fields, with members",
)
methods.add(
    "cnp",
    "sciflow.conservation.neural_process.method:ConditionalNeuralProcess",
    summary="conditional neural process: observations to fields, with variance",
)
methods.add("pinn", "sciflow.pinn.method:PinnMethod", summary="a physics-informed network for each case")
methods.add("lpinn", "sciflow.pinn.method:LagrangianMethod", summary="a Lagrangian one for each case")
methods.add("coarse-solver", "sciflow.baselines.coarse:CoarseSolver", summary="the reference solver on a coarser grid")

__all__ = ["methods"]

"""The toy model as a PyTorch module whose every layer can be read and replaced."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from numpy import ndarray

from tegum.toys.model import noise_variance

if TYPE_CHECKING:
    import torch
    from torch import nn

HOOK_NAMES = (
    "hook_input",
    "hook_hidden",
    "hook_hidden_noised",
    "hook_pre",
    "hook_output",
)


@functools.cache
def module_class() -> type[nn.Module]:
    """The module's class, made when it is first needed: tegum itself loads no torch.

    Raises:
        ModuleNotFoundError: PyTorch is not installed; `pip install tegum[torch]`.
    """
    try:
        import torch
        from torch import nn
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "to_torch needs PyTorch, which is not installed; run "
            "`pip install 'tegum[torch]'`"
        ) from missing

    class HookPoint(nn.Module):
        """Passes an activation on; forward hooks see it, or replace it."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, activation: torch.Tensor) -> torch.Tensor:
            return activation

    class ToyModel(nn.Module):
        """h = W x, noise on h in training, y = output(W_decoder^T h + b)."""

        def __init__(
            self,
            W: ndarray,
            b: ndarray,
            settings: Mapping[str, Any],
            W_decoder: ndarray | None = None,
        ) -> None:
            super().__init__()
            self.W = nn.Parameter(torch.tensor(W))
            learned = settings["bias"] == "learned"
            self.b = nn.Parameter(torch.tensor(b), requires_grad=learned)
            if W_decoder is not None:
                self.W_decoder = nn.Parameter(torch.tensor(W_decoder))
            self.settings = dict(settings)
            self.hook_input = HookPoint("hook_input")
            self.hook_hidden = HookPoint("hook_hidden")
            self.hook_hidden_noised = HookPoint("hook_hidden_noised")
            self.hook_pre = HookPoint("hook_pre")
            self.hook_output = HookPoint("hook_output")
            self.eval()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            x = self.hook_input(inputs)
            hidden = x @ self.W.mT
            if self.settings["hidden_activation"] == "relu":
                hidden = torch.relu(hidden)
            hidden = self.hook_hidden(hidden)
            noised = noised_hidden(hidden, self.settings) if self.training else hidden
            noised = self.hook_hidden_noised(noised)
            bias = self.b.unsqueeze(-2) if self.W.ndim == 3 else self.b
            decoder = self.W_decoder if self.settings["decoder"] == "untied" else self.W
            before = self.hook_pre(noised @ decoder + bias)
            relu = self.settings["output"] == "relu"
            return self.hook_output(torch.relu(before) if relu else before)

        def run_with_cache(
            self, inputs: torch.Tensor, names_filter: Iterable[str] | None = None
        ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
            """The output, and what passed each hook point (or those named)."""
            cache: dict[str, torch.Tensor] = {}

            def keep(activation: torch.Tensor, hook: HookPoint) -> None:
                cache[hook.name] = activation.detach()

            names = HOOK_NAMES if names_filter is None else names_filter
            kept = [(name, keep) for name in names]
            return self.run_with_hooks(inputs, fwd_hooks=kept), cache

        def run_with_hooks(
            self,
            inputs: torch.Tensor,
            fwd_hooks: Iterable[tuple[str, Callable[..., Any]]] = (),
        ) -> torch.Tensor:
            """The output with hooks in place for this one call."""
            handles = []
            try:
                for name, function in fwd_hooks:
                    handles.append(_hooked(self, name, function=function))
                return self(inputs)
            finally:
                for handle in handles:
                    handle.remove()

    return ToyModel


def noised_hidden(hidden: torch.Tensor, settings: Mapping[str, Any]) -> torch.Tensor:
    """What the noise of a row leaves of h, drawn from PyTorch's global generator."""
    import torch

    noise, rate = settings["noise"], settings["rate"]
    if noise == "none":
        return hidden
    if noise == "dropout":
        kept = torch.rand_like(hidden) >= rate
        return hidden * kept / (1.0 - rate)
    z = torch.randn_like(hidden)
    variance = noise_variance(rate)
    if noise == "gaussian_multiplicative":
        return hidden * (1.0 + variance**0.5 * z)
    if noise == "gaussian_additive":
        return hidden + settings["noise_std"] * z
    axes = (-2, -1) if hidden.ndim > 1 else (-1,)
    power = hidden.detach().square().mean(dim=axes, keepdim=True)
    return hidden + (variance * power).sqrt() * z


def _hooked(module: nn.Module, name: str, *, function: Callable[..., Any]) -> Any:
    if name not in HOOK_NAMES:
        raise ValueError(
            f"no hook point is called {name!r}; there are {', '.join(HOOK_NAMES)}"
        )
    point: Any = getattr(module, name)
    return point.register_forward_hook(lambda _, __, out: function(out, hook=point))


__all__ = ["HOOK_NAMES", "module_class", "noised_hidden"]

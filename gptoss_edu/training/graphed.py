"""One training step as a CUDA graph: recorded once, replayed without work for the CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from gptoss_edu.transformer import Transformer

from .data_parallel import Replicas
from .fast_loss import FastLoss
from .optim import Optimizer
from .packing import Batch

WARM_UP = 3


class GraphedStep:
    """Call it with a batch: loss, gradients and update, on the GPU. Returns cross-entropy and gradient norm.

    Everything that a replay reads is in fixed tensors: the batch, the learning rates, weights and optimiser state.
    """

    def __init__(
        self,
        model: Transformer,
        optimizer: Optimizer,
        rows: int,
        length: int,
        balance: float,
        graph: bool = True,
        compiled: bool = True,
        rounding: str | None = None,
        replicas: Replicas | None = None,
    ):
        self.model, self.optimizer, self.balance, self.replicas = model, optimizer, balance, replicas
        self.loss = FastLoss(model, rows, length, compiled=compiled, rounding=rounding, replicas=replicas)
        device = model.device
        self.tokens = torch.zeros(rows, length, dtype=torch.int16, device=device)
        self.codes = torch.full((rows, length), 2, dtype=torch.uint8, device=device)
        self.documents = torch.zeros(rows, length, dtype=torch.int16, device=device)
        self.tokens.random_(0, model.config.vocab_size)
        self.result: tuple[Tensor, Tensor] | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        saved = {name: value.clone() for name, value in optimizer.state_dict().items()}
        optimizer.set_scale(0.0)  # the warm-up must not train
        try:
            self._record(graph)
        finally:  # even on failure: another kind of step then continues from the same state
            optimizer.load_state_dict(saved)

    def _record(self, graph: bool) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        if graph:
            self.model.zero_grad(set_to_none=True)  # so that the recorded backward pass writes instead of adding
            recorded = torch.cuda.CUDAGraph()
            with torch.cuda.graph(recorded, capture_error_mode="thread_local" if self.replicas else "global"):
                self.result = self._step()
            self.graph = recorded

    def _step(self) -> tuple[Tensor, Tensor]:
        loss, cross_entropy = self.loss(self.tokens.long(), self.codes, self.documents, self.balance)
        self.model.zero_grad(set_to_none=True)
        loss.backward()
        if self.replicas is not None:
            self.replicas.sum_gradients(self.optimizer.parameters)
            cross_entropy = self.replicas.sum(cross_entropy)
        return cross_entropy, self.optimizer.step()

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        for fixed, part in zip((self.tokens, self.codes, self.documents), batch, strict=True):
            fixed.copy_(torch.from_numpy(part).pin_memory(), non_blocking=True)
        if self.graph is None:
            return self._step()
        self.graph.replay()
        return self.result

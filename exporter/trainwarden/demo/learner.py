"""What is trained: two low-rank matrices that learn to imitate a hidden pair, as a LoRA does, by Adam.

Every random number is drawn from a generator keyed by the seed and the place in the run, so a resumed training sees
the very data that an undisturbed one would, and its weights come out bit for bit the same (on one machine, with one
BLAS thread).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[np.float32]
Gradient = NDArray[np.floating[Any]]
"""Single precision as well; older releases of numpy tell the type checker less."""

DOWN, UP = "lora_unet_demo.lora_down.weight", "lora_unet_demo.lora_up.weight"
LEARNING_RATE = 5e-3
_WIDTH, _RANK, _BATCH = 256, 8, 64
_TASK, _START, _BATCHES = range(3)
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class Learner:
    """Weights, the optimizer's two moments, and how many steps optimizer and schedule have taken."""

    def __init__(self, seed: int, total_steps: int) -> None:
        self.seed = seed
        self._total_steps = total_steps
        self._hidden_down, self._hidden_up = _pair(np.random.default_rng([seed, _TASK]))
        down, up = _pair(np.random.default_rng([seed, _START]))
        self.weights: dict[str, Tensor] = {DOWN: down, UP: np.zeros_like(up)}
        self.mean = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.square = {name: np.zeros_like(value) for name, value in self.weights.items()}
        self.optimizer_steps = 0
        self.schedule_steps = 0

    def learn(self, epoch: int, index: int) -> float:
        """Take the step number ``index`` of ``epoch`` (both from 0) and return its loss before the step."""
        x, wanted = self._batch(epoch, index)
        inner = x @ self.weights[DOWN].T
        error = inner @ self.weights[UP].T - wanted
        slope = error * np.float32(2 / error.size)
        self._step({UP: slope.T @ inner, DOWN: (slope @ self.weights[UP]).T @ x})
        return float(np.mean(error * error))

    def _batch(self, epoch: int, index: int) -> tuple[Tensor, Tensor]:
        draw = np.random.default_rng([self.seed, _BATCHES, epoch, index])
        x = draw.standard_normal((_BATCH, _WIDTH), dtype=np.float32)
        noise = draw.standard_normal((_BATCH, _WIDTH), dtype=np.float32)
        return x, x @ self._hidden_down.T @ self._hidden_up.T + np.float32(0.1) * noise

    def _step(self, gradients: dict[str, Gradient]) -> None:
        """Adam (Kingma & Ba 2015, algorithm 1) under a cosine schedule."""
        rate = 0.5 * LEARNING_RATE * (1 + math.cos(math.pi * self.schedule_steps / self._total_steps))
        self.optimizer_steps += 1
        self.schedule_steps += 1
        correct1, correct2 = (1 - beta**self.optimizer_steps for beta in (_BETA1, _BETA2))
        for name, gradient in gradients.items():
            self.mean[name] = np.float32(_BETA1) * self.mean[name] + np.float32(1 - _BETA1) * gradient
            self.square[name] = np.float32(_BETA2) * self.square[name] + np.float32(1 - _BETA2) * gradient**2
            scale = np.sqrt(self.square[name] / np.float32(correct2)) + np.float32(_EPSILON)
            self.weights[name] = self.weights[name] - np.float32(rate / correct1) * self.mean[name] / scale


def _pair(draw: np.random.Generator) -> tuple[Tensor, Tensor]:
    down = draw.standard_normal((_RANK, _WIDTH), dtype=np.float32) / np.float32(math.sqrt(_WIDTH))
    up = draw.standard_normal((_WIDTH, _RANK), dtype=np.float32) / np.float32(math.sqrt(_RANK))
    return down, up

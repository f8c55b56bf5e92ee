"""A small variational autoencoder of state-action pairs, whose codes compare steps.

Source: Kingma and Welling 2014, "Auto-Encoding Variational Bayes" (arXiv:1312.6114):
the bound of equation 3 with the closed-form divergence of its appendix B, negated.
Departure from the paper:

1. The divergence has a weight below 1 (beta), and the errors of state and action are each
   averaged over their own length, so that an action of 4 numbers counts as much as a
   state of 39.
"""

import torch
from einops import reduce
from torch import Generator, Tensor, nn

from robomtl.adaptation.meta.variational import divergence_from_normal
from robomtl.policy import Normaliser

_BETA = 1e-2  # Departure 1.
_BATCH, _LEARNING_RATE = 256, 2e-3


class Autoencoder(nn.Module):
    """Variational autoencoder of state-action pairs.

    Args:
        state: Length of a state.
        action: Length of an action.
        latent: Length of the code.
        width: Units of the hidden layers.
    """

    def __init__(self, *, state: int, action: int, latent: int, width: int) -> None:
        super().__init__()
        self.normaliser = Normaliser(state + action)
        self._sizes = [state, action]
        self.encoder = _perceptron(state + action, width, 2 * latent)
        self.decoder = _perceptron(latent, width, state + action)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """Mean of the code; (batch, state), (batch, action) -> (batch, latent)."""
        return self._posterior(self._pair(state, action))[0]

    def loss(self, state: Tensor, action: Tensor) -> Tensor:
        """Reconstruction error plus weighted divergence of each pair; (batch,)."""
        pair = self._pair(state, action)
        mean, log_variance = self._posterior(pair)
        noise = torch.randn_like(mean)
        error = self.decoder(mean + noise * torch.exp(0.5 * log_variance)) - pair
        loss: Tensor = self._mean_square(error)
        return loss + _BETA * divergence_from_normal(mean, 0.5 * log_variance)

    def _pair(self, state: Tensor, action: Tensor) -> Tensor:
        pair: Tensor = self.normaliser(torch.cat([state, action], dim=-1))
        return pair

    def _posterior(self, pair: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(pair).chunk(2, dim=-1)
        return mean, log_variance

    def _mean_square(self, error: Tensor) -> Tensor:
        """Mean square of the state plus mean square of the action. Departure 1."""
        parts = torch.split(error.square(), self._sizes, dim=-1)
        means = [reduce(part, "batch size -> batch", "mean") for part in parts]
        return means[0] + means[1]


def train_autoencoder(
    state: Tensor,
    action: Tensor,
    *,
    latent: int,
    width: int,
    steps: int,
    generator: Generator,
) -> Autoencoder:
    """Trains an autoencoder on uniformly drawn pairs, on their device.

    Args:
        state: Shape (pair, state).
        action: Shape (pair, action).
        latent: Length of the code.
        width: Units of the hidden layers.
        steps: Number of gradient steps.
        generator: Source of all random numbers.

    Returns:
        The autoencoder in evaluation mode, with frozen parameters.
    """
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        model = Autoencoder(
            state=state.shape[1], action=action.shape[1], latent=latent, width=width
        ).to(state.device)
        model.normaliser.fit(torch.cat([state, action], dim=-1))
        optimiser = torch.optim.Adam(model.parameters(), lr=_LEARNING_RATE, fused=True)
        for _ in range(steps):
            rows = torch.randint(len(state), (_BATCH,)).to(state.device)
            optimiser.zero_grad()
            model.loss(state[rows], action[rows]).mean().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model.eval().requires_grad_(False)


def _perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.GELU(),
        nn.Linear(width, width),
        nn.GELU(),
        nn.Linear(width, outputs),
    )

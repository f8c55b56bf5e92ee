"""Settings shared by transformer policies over observation tokens."""

from dataclasses import dataclass

from robomtl.action_head import HeadConfig
from robomtl.layers.attention import check_heads


@dataclass(frozen=True, kw_only=True)
class TokenConfig(HeadConfig):
    """Sizes and loss of a transformer policy that ends in an action head."""

    width: int = 256
    """Length of a token."""
    blocks: int = 4
    """Number of transformer blocks."""
    heads: int = 8
    """Attention heads of each block; they divide the width."""
    image_tokens: int = 8
    """Number of tokens of an image."""

    def __post_init__(self) -> None:
        """Checks the sizes.

        Raises:
            InputError: If a size is not positive, or the heads do not divide the width.
        """
        super().__post_init__()
        check_heads(self.width, self.heads)

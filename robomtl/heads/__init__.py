"""Action heads: each predicts chunks of actions by a distribution of its own."""

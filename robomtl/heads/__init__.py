"""Action heads: each predicts chunks of actions by its own distribution."""

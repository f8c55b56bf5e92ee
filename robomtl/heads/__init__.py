"""Action heads: predict chunks of actions from features, each by another distribution."""

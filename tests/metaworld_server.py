"""A server that steps Meta-World."""

from robomtl.envs.metaworld import metaworld
from robomtl.envs.metaworld_config import MetaWorldConfig


def make(task, **options):
    """An env of a task."""
    return metaworld("MT10", MetaWorldConfig(**options)).make_env(task)

"""Meta-World, as a server steps it."""

from robomtl.envs.metaworld import metaworld


def make(task, **options):
    """An env of a task."""
    return metaworld("MT10", **options).make_env(task)

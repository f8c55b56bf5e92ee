"""The executor of this machine, under the name of its module before it had a room."""

from robomtl.execution.executor import Executor as Executor
from robomtl.execution.executor import Failure as Failure
from robomtl.execution.executor import LocalExecutor as LocalExecutor

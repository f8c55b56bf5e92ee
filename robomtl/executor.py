"""Earlier module name of ``robomtl.execution.executor``, kept for old imports."""

from robomtl.execution.executor import Executor as Executor
from robomtl.execution.executor import Failure as Failure
from robomtl.execution.executor import LocalExecutor as LocalExecutor

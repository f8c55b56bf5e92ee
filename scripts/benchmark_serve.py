#!/usr/bin/env python
"""Benchmark of a policy server's latency with many clients [ms].

The server is a process of ``robomtl serve`` with an untrained policy of default size,
conditioned on language; the clients are threads of another process, each with a connection of
``openpi-client`` over loopback. First, each client sends observations at a control rate; then
each sends the next observation as soon as it has an answer, which is the largest load.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from robomtl import checkpoint
from robomtl.checkpoint import Card
from robomtl.conditioning import Conditioning
from robomtl.policy import POLICIES, Spec
from robomtl.suites import suite
from robomtl.versions import processor


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Settings of the benchmark."""

    policy: str = "film"
    """Architecture."""
    clients: int = 16
    """Number of connections."""
    requests: int = 500
    """Number of requests of each client."""
    rate: float = 20.0
    """Control rate of a client [1/s]."""


def main(benchmark: Benchmark) -> None:
    """Prints latencies at the control rate, and without pauses."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / benchmark.policy
        _save(run, benchmark.policy)
        words = ["serve", str(run), "--port", "0"]
        command = [sys.executable, "-c", "from robomtl.cli.main import main; main()"]
        server = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            lines = [server.stdout.readline() for _ in range(2)]
            address = lines[-1].split()[0]
            print(
                f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f};"
                f" {benchmark.policy}, {benchmark.clients} clients, in ms"
            )
            print("requests            number  median   95 %   99 %  largest")
            for rate in (benchmark.rate, 0.0):
                found = 1e3 * _asked(address, benchmark, rate)
                name = f"{rate:g} per second each" if rate else "without pauses"
                half, most, nearly = np.percentile(found, [50, 95, 99])
                print(
                    f"{name:18} {len(found):7} {half:7.1f} {most:6.1f} {nearly:6.1f}"
                    f" {found.max():8.1f}"
                )
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(10)


def _save(run: Path, name: str) -> None:
    torch.manual_seed(0)
    mt10 = suite("metaworld/MT10")
    tasks = tuple(task.name for task in mt10.train_tasks)
    conditioning = Conditioning(kinds=("language",), tasks=tasks)
    architecture = POLICIES.get(name)
    spec = Spec(
        state=39,
        action=4,
        embedding=conditioning.size,
        tasks=len(tasks),
        history=architecture.default_history,
    )
    card = Card(
        policy=name,
        config=vars(architecture.Config()),
        spec=spec,
        conditioning=conditioning,
        suite=mt10.name,
        suite_options={},
        step=0,
    )
    checkpoint.save(run, checkpoint.build(card), card)


def _asked(address: str, benchmark: Benchmark, rate: float) -> NDArray[np.float64]:
    """Latency of each request [s]; (request,)."""
    found: list[list[float]] = [[] for _ in range(benchmark.clients)]
    threads = [
        threading.Thread(target=_ask, args=(address, benchmark.requests, rate, n, each))
        for n, each in enumerate(found)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return np.array([taken for each in found for taken in each[5:]])  # Warm by then.


def _ask(
    address: str, count: int, rate: float, number: int, found: list[float]
) -> None:
    client = WebsocketClientPolicy(address)
    task = suite("metaworld/MT10").train_tasks[number % 10]
    generator = np.random.default_rng(number)
    message: dict[str, Any] = {"prompt": task.instructions[0]}
    due = time.perf_counter() + (generator.uniform() / rate if rate else 0)
    for _ in range(count):
        message["state"] = generator.normal(size=39).astype(np.float32)
        time.sleep(max(0.0, due - time.perf_counter()))
        before = time.perf_counter()
        client.infer(message)
        found.append(time.perf_counter() - before)
        due = max(due + 1 / rate, before) if rate else 0.0


if __name__ == "__main__":
    main(tyro.cli(Benchmark, description=__doc__))

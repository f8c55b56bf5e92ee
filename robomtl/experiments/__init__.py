"""The framework of experiments, and a folder for each experiment.

An experiment is an ``Experiment`` of the module ``running``: its identity, cells, work,
findings and report. One loop runs the cells of every experiment, one journal records them,
and one function writes the tables, the results and the page. Modules of each experiment,
in reading order:

- ``adapt``: ``method_design``, ``method_cells``, ``adapting_cells`` (the work),
  ``method_analysis`` and ``method_findings``, ``method_report``, ``method_experiment``
- ``multitask``: ``arm_design``, ``arm_cells``, ``learning`` (the work), ``arm_findings``,
  ``arm_report``, ``arm_experiment``
- ``lifelong``: ``lifelong_design`` (with its cells), ``streaming`` (the work),
  ``lifelong_findings``, ``lifelong_report``, ``lifelong_experiment``
- ``beyond``: ``beyond_design`` (with its cells), ``improving`` (the work),
  ``beyond_findings``, ``beyond_report``, ``beyond_experiment``
- ``shift``: ``shift_plan`` (with its cells), ``shift_playing`` (the work),
  ``shift_findings``, ``shift_report``, ``shift_experiment``
- ``probe``, of features: ``feature_cells`` (with the work), ``feature_findings``,
  ``feature_report``, ``feature_probe``

``evaluating``, ``compare`` and ``probe`` (of instructions) run trials of given policies by
the same loop, without an ``Experiment``.

Shared modules: ``settings`` (labels and settings from words), ``enough_data``, ``playing``;
``scores``, ``analysis`` and the statistics below it; ``findings``; and ``sections``,
``entries`` and ``comparison_charts``, from which a ``Report`` is built.
"""

"""Named suites, policies, objectives and methods, built in or plugged in."""

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from robomtl.arguments import checked, typed
from robomtl.errors import InputError, PlugInError
from robomtl.nearest import unknown
from robomtl.plug_in import described
from robomtl.task import Suite

if TYPE_CHECKING:  # They import torch.
    from robomtl.adaptation.method import Method
    from robomtl.policy import Policy
    from robomtl.training.objective import Objective

Item = TypeVar("Item")


class SuiteFactory(Protocol):
    """A family of suites."""

    def __call__(self, variant: str, **options: Any) -> Suite:
        """The suite of a variant, named after what follows the slash."""
        ...


class Registry(Generic[Item]):
    """Maps names to items; an item is imported when it is first asked for.

    Args:
        kind: What the names name, for messages.
        group: Entry-point group through which other distributions add names.
        builtins: Names to ``"module:attribute"`` strings of this distribution.
    """

    def __init__(self, kind: str, group: str, builtins: dict[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._builtins = {
            name: EntryPoint(name, value, group) for name, value in builtins.items()
        }
        self._items: dict[str, Item] = {}

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted({*self._items, *self._builtins, *self._plug_ins()})

    def own(self) -> list[str]:
        """Names that are built in or were registered in this process, sorted."""
        return sorted(set(self.names()) - self.plugged_in().keys())

    def plugged_in(self) -> dict[str, tuple[str, ...]]:
        """Names that other distributions add, sorted, and the distributions of each.

        A name of several distributions, this one among them, is refused by ``get``.
        """
        return {
            name: tuple(_distribution(entry) for entry in self._claims(name))
            for name in sorted(self._plug_ins())
        }

    def register(self, name: str, item: Item) -> None:
        """Adds an item under a new name, in this process.

        Raises:
            InputError: If the name is taken, or holds a slash.
        """
        if "/" in name:
            raise InputError(
                f"{self.kind} '{name}' holds a slash, which is kept for variants; leave "
                f"it out."
            )
        if name in self.names():
            raise InputError(f"{self.kind} '{name}' is already registered.")
        self._items[name] = item

    def get(self, name: str) -> Item:
        """The item registered under a name.

        Raises:
            ValueError: If no item has this name, or several distributions have one.
            PlugInError: If importing a plug-in raises any exception.
        """
        if name not in self._items:
            self._items[name] = self._loaded(self._find(name))
        return self._items[name]

    def _plug_ins(self) -> dict[str, list[EntryPoint]]:
        """The entry points of other distributions, by name."""
        found: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=self.group):
            found.setdefault(entry.name, []).append(entry)
        return found

    def _claims(self, name: str) -> list[EntryPoint]:
        """All entry points of a name, built-in or plugged in; more than 1 is a mistake."""
        own = [self._builtins[name]] if name in self._builtins else []
        return own + self._plug_ins().get(name, [])

    def _find(self, name: str) -> EntryPoint:
        claims = self._claims(name)
        if not claims:
            raise InputError(
                f"{unknown(self.kind, name, self.names())} Names that your own module"
                " registers are known once it is imported (robomtl --import MODULE)."
            )
        if len(claims) > 1:
            owners = " and ".join(_distribution(entry) for entry in claims)
            raise InputError(
                f"The {self.kind} '{name}' is registered by {len(claims)} distributions,"
                f" {owners}; uninstall all but one of them, or rename the entry point in"
                f" its group '{self.group}'."
            )
        return claims[0]

    def _loaded(self, entry: EntryPoint) -> Item:
        try:
            item: Item = entry.load()
        except (Exception, SystemExit) as error:  # Plug-ins raise anything.
            if entry.dist is None:
                raise
            raise PlugInError(
                f"The {self.kind} '{entry.name}' of the distribution"
                f" '{_distribution(entry)}' ({entry.value}) cannot be imported:"
                f" {described(error)}."
            ) from error
        return item


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "robomtl"


SUITES: Registry[SuiteFactory | Suite] = Registry(
    "suite",
    "robomtl.envs",
    {
        "metaworld": "robomtl.envs.metaworld:metaworld",
        "points": "robomtl.envs.points:points",
    },
)
"""Families of suites: callables ``(variant, **options) -> Suite``; or single suites.

``robomtl.suite("metaworld/MT10")`` calls the factory ``metaworld`` with ``"MT10"``; a
name without a slash calls it with the empty string. A factory may carry an attribute
``variants``, a mapping of variant names to one line each, which ``robomtl list`` shows.
A suite that is ready, as ``from_gymnasium`` returns it, stands under its own name.
"""

POLICIES: "Registry[type[Policy]]" = Registry(
    "policy",
    "robomtl.policies",
    {
        "film": "robomtl.policies.film:Film",
        "in_context": "robomtl.policies.in_context:InContextTransformer",
        "mixture_of_experts": "robomtl.policies.mixture_of_experts:MixtureOfExperts",
        "mlp": "robomtl.policies.mlp:MLP",
        "multi_head": "robomtl.policies.multi_head:MultiHead",
        "nearest_neighbour": "robomtl.policies.nearest_neighbour:NearestNeighbour",
        "replay": "robomtl.policies.replay:Replay",
        "soft_modularization": "robomtl.policies.soft_modularization:SoftModularization",
        "switched": "robomtl.policies.switched:Switched",
        "vinn": "robomtl.policies.vinn:VINN",
    },
)
"""Policy classes; each carries its config dataclass as the attribute ``Config``."""

OBJECTIVES: "Registry[type[Objective]]" = Registry(
    "objective",
    "robomtl.objectives",
    {
        "alpaca": "robomtl.adaptation.methods.alpaca:AlpacaTraining",
        "anil": "robomtl.adaptation.methods.maml:AnilObjective",
        "cloning": "robomtl.training.objective:Cloning",
        "context": "robomtl.adaptation.methods.context:ContextTraining",
        "imaml": "robomtl.adaptation.methods.imaml:ImamlObjective",
        "in_context": "robomtl.adaptation.methods.in_context:InContextTraining",
        "maml": "robomtl.adaptation.methods.maml:MamlObjective",
        "meta_sgd": "robomtl.adaptation.methods.maml:MetaSgdObjective",
        "mil": "robomtl.adaptation.methods.maml:MilObjective",
        "neural_process": "robomtl.adaptation.methods.neural_process:NeuralProcessTraining",
        "pearl_context": "robomtl.adaptation.methods.pearl_context:PearlContextTraining",
        "reptile": "robomtl.adaptation.methods.reptile:ReptileObjective",
        "tecnet": "robomtl.adaptation.methods.tecnet:TecnetTraining",
    },
)
"""What training minimises: frozen dataclasses of an objective's settings."""

METHODS: "Registry[type[Method]]" = Registry(
    "method",
    "robomtl.methods",
    {
        "alpaca": "robomtl.adaptation.methods.alpaca:Alpaca",
        "anil": "robomtl.adaptation.methods.maml:Anil",
        "context": "robomtl.adaptation.methods.context:PooledContext",
        "finetune": "robomtl.adaptation.methods.finetune:Finetune",
        "imaml": "robomtl.adaptation.methods.imaml:Imaml",
        "in_context": "robomtl.adaptation.methods.in_context:InContext",
        "lora": "robomtl.adaptation.methods.lora:Lora",
        "maml": "robomtl.adaptation.methods.maml:Maml",
        "meta_sgd": "robomtl.adaptation.methods.maml:MetaSgd",
        "mil": "robomtl.adaptation.methods.maml:Mil",
        "nearest_neighbour": "robomtl.adaptation.methods.nearest_neighbour:NearestNeighbour",
        "neural_process": "robomtl.adaptation.methods.neural_process:NeuralProcess",
        "pearl_context": "robomtl.adaptation.methods.pearl_context:PearlContext",
        "replay": "robomtl.adaptation.methods.replay:Replay",
        "reptile": "robomtl.adaptation.methods.reptile:Reptile",
        "retrieval": "robomtl.adaptation.methods.retrieval:Retrieval",
        "scratch": "robomtl.adaptation.methods.scratch:Scratch",
        "task_embedding": "robomtl.adaptation.methods.task_embedding:TaskEmbedding",
        "tecnet": "robomtl.adaptation.methods.tecnet:Tecnet",
        "vinn": "robomtl.adaptation.methods.vinn:VINN",
        "zero_shot": "robomtl.adaptation.methods.zero_shot:ZeroShot",
    },
)
"""Ways to adapt: frozen dataclasses of a method's hyper-parameters."""


def _ready(found: Suite, name: str, options: dict[str, Any]) -> Suite:
    """A registered suite, if it is the one asked for."""
    if name != found.name:
        raise InputError(
            f"There is no suite '{name}': the suite '{found.name}' has no variants and "
            "is known by that name only."
        )
    if options and options != dict(found.options):
        raise InputError(
            f"Suite '{name}' was registered ready with the options "
            f"{dict(found.options)}; it does not take {options}."
        )
    return found


@checked
def suite(name: str, **options: Any) -> Suite:
    """The suite of this name, such as ``metaworld/MT10``.

    Args:
        name: Family and variant, joined by a slash.
        **options: Options of the family, such as ``goals="hidden"`` for ``metaworld/ML10``.

    Raises:
        InputError: If the family or the variant is unknown, an option is unknown or of
            another type, or a suite that was registered ready is asked for with another
            variant or other options.
    """
    family, _, variant = name.partition("/")
    found = SUITES.get(family)
    if callable(found):
        made = found(variant, **_typed_options(name, found, options))
        return _checked(made, f"What is registered as suite '{family}' made")
    _checked(found, f"Registered as suite '{family}' is")
    return _ready(found, name, options)


def _checked(made: Any, what: str) -> Suite:
    """A suite that a plug-in supplied, if it is one."""
    if isinstance(made, type) or not hasattr(made, "train_tasks"):
        raise PlugInError(
            f"{what} {made!r}; expected a suite, or a function that makes one of a variant."
        )
    supplied: Suite = made
    return supplied


def _typed_options(
    name: str, family: Callable[..., Suite], options: Mapping[str, Any]
) -> dict[str, Any]:
    """The options of a suite, checked against its factory: they may come from a file."""
    parameters = [*inspect.signature(family).parameters.values()]
    if not parameters:
        raise PlugInError(
            f"What is registered as suite '{name.partition('/')[0]}' takes no argument;"
            " expected a suite, or a function that makes one of a variant."
        )
    first, *taken = parameters
    if inspect.Parameter.VAR_KEYWORD in {each.kind for each in (first, *taken)}:
        return dict(options)
    kinds = {each.name: each.annotation for each in taken}
    for option in options:
        if option not in kinds:
            raise InputError(
                f"Suite '{name}' does not take this: {unknown('option', option, kinds)}"
            )
    return {
        option: value
        if kinds[option] is inspect.Parameter.empty
        else typed(option, value, kinds[option])
        for option, value in options.items()
    }

"""Plan, apply and drift for VM image galleries: the library's public names, each loaded when it is first used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.applying.apply import ApplyResult
    from reconciler.applying.context import Interrupt
    from reconciler.engine import AppliedPlan, Engine
    from reconciler.errors import BadPlanFile, NotApproved, PlanRefused, ReferenceCycle, StalePlan, Unreachable
    from reconciler.manifests.address import Address
    from reconciler.manifests.errors import ManifestError, ReconcilerError
    from reconciler.planning.plan import Plan, PlanOptions
    from reconciler.providers.errors import LeaseLost, ProviderError
    from reconciler.reporting import Reporter
    from reconciler.state.errors import LockHeld, StateError

__version__ = "0.1.0"

__all__ = [
    "Address",
    "AppliedPlan",
    "ApplyResult",
    "BadPlanFile",
    "Engine",
    "Interrupt",
    "LeaseLost",
    "LockHeld",
    "ManifestError",
    "NotApproved",
    "Plan",
    "PlanOptions",
    "PlanRefused",
    "ProviderError",
    "ReconcilerError",
    "ReferenceCycle",
    "Reporter",
    "StalePlan",
    "StateError",
    "Unreachable",
]

_MODULES = {
    "applying.apply": ("ApplyResult",),
    "applying.context": ("Interrupt",),
    "engine": ("AppliedPlan", "Engine"),
    "errors": ("BadPlanFile", "NotApproved", "PlanRefused", "ReferenceCycle", "StalePlan", "Unreachable"),
    "manifests.address": ("Address",),
    "manifests.errors": ("ManifestError", "ReconcilerError"),
    "planning.plan": ("Plan", "PlanOptions"),
    "providers.errors": ("LeaseLost", "ProviderError"),
    "reporting": ("Reporter",),
    "state.errors": ("LockHeld", "StateError"),
}
"""Module -> the public names that it defines."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

"""Who consented to an effect. Consent goes by name: it holds for an address and everything in it, nothing else.

consent                                        holds for
--allow-loss ADDRESS                           every effect, of whatever action
kind: Removed with destroy: true               the effects of deletions
--allow-replace ADDRESS                        the effects of replacements
lifecycle.allowReplace                         the effects of replacements
state taint ADDRESS                            the replacement of that region, if it is one
safety.allowDeletionOfReplicatedLocations      a version that leaves single regions, for good or for a while, with
                                               what `latest` becomes there; not its last whole copy
excludeFromLatest                              a `latest` that goes down to another version; not one that ends

`reconciler destroy` asks, and consents to everything that it deletes: its plans say what is deleted, and no effects.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.manifests.words import for_shell
from reconciler.naming.object_names import containers, within
from reconciler.planning.actions import Action, EffectKind, Reason
from reconciler.planning.draft import Draft

REGIONS_REMOVABLE = "safety.allowDeletionOfReplicatedLocations"


@dataclass(frozen=True, slots=True)
class Loss:
    """One effect at one target region. `latest` is what becomes latest there, where that is the effect."""

    kind: EffectKind
    region: Address
    latest: str | None = None


class Consents:
    """Everything that was consented to for one plan."""

    def __init__(self, draft: Draft) -> None:
        options = draft.inputs.options
        self._draft = draft
        self._resources = {} if options.destroy else draft.inputs.manifest.resources
        self._losses = [Address.parse(text) for text in options.allow_loss]
        self._replaces = [Address.parse(text) for text in options.allow_replace]
        self._removals = [removal.address for removal in draft.inputs.manifest.removals if removal.destroy]

    def to(self, loss: Loss) -> str:
        """What consents to an effect; empty when nothing does."""
        for address in self._losses:
            if within(loss.region, address):
                return f"--allow-loss {for_shell(address)}"
        return self._to_deletion(loss) or self._to_replacement(loss) or self._in_the_manifest(loss)

    def replacing(self, address: Address) -> str:
        """What consents to replacing an object; empty when nothing does."""
        for allowed in self._replaces:
            if within(address, allowed):
                return f"--allow-replace {for_shell(allowed)}"
        for above in (*containers(address), address):
            if above in self._resources and self._resources[above].lifecycle.allow_replace:
                return f"lifecycle.allowReplace of {above}"
        return ""

    def _to_deletion(self, loss: Loss) -> str:
        change = self._draft.changes.get(loss.region)
        if change is None or change.action is not Action.DELETE:
            return ""
        removal = next((address for address in self._removals if within(loss.region, address)), None)
        return f"kind: Removed of {removal}" if removal else ""

    def _to_replacement(self, loss: Loss) -> str:
        change = self._draft.changes.get(loss.region)
        if change is None or change.action is not Action.REPLACE:
            return ""
        if change.reason is Reason.TAINTED:
            return f"state taint {loss.region}"
        return self.replacing(loss.region)

    def _in_the_manifest(self, loss: Loss) -> str:
        """What the version itself declares about its regions."""
        version, change = loss.region.unit, self._draft.changes.get(loss.region)
        if loss.kind is EffectKind.LATEST and loss.latest and change is not None and change.action is Action.UPDATE:
            return "excludeFromLatest"
        alone = version not in self._draft.changes or self._draft.changes[version].action not in _REGIONAL
        regional = loss.kind in (EffectKind.LEAVES, EffectKind.AWAY, EffectKind.LATEST)
        if alone and regional and version in self._resources:
            safety = self._resources[version].attributes.get("safety", {})
            if safety.get("allowDeletionOfReplicatedLocations") is True and change and change.action in _REGIONAL:
                return REGIONS_REMOVABLE
        return ""


_REGIONAL = frozenset({Action.DELETE, Action.REPLACE})

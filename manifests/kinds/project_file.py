"""`reconciler.yaml`."""

from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from reconciler.manifests.kinds.base import Model
from reconciler.manifests.kinds.scalars import Integer, RegionName, Scalar, String
from reconciler.manifests.kinds.target_region import TargetRegion, parse_shorthand
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.project import DEFAULT_KEEP_RUNS

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
NAME_RULE = "allowed: letters, digits, '_', '.' and '-', beginning with a letter, digit or '_'"
Name = Annotated[str, String(NAME, NAME_RULE, 80)]


class RegionSetMember(Scalar):
    """`REGION[=COUNT][=STORAGE]`, checked and kept as text."""

    def parse(self, text: str) -> str:
        entry = parse_shorthand(text)
        RegionName().parse(entry["name"])
        try:
            TargetRegion.model_validate(entry)
        except ValidationError as error:
            cause = error.errors()[0].get("ctx", {}).get("error")
            raise InvalidInput(
                f"'{text}' is not a target region", str(cause or "write REGION[=COUNT][=STORAGE]")
            ) from error
        return text


class ProviderEntry(Model):
    """A backend: its type, and settings that the model of that type checks."""

    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=to_camel)

    type: Annotated[
        str,
        String(),
        Field(description="Type of backend: local, azure, emulator, libvirt, or another that is installed."),
    ]


class History(Model):
    """How much the state remembers of what was done."""

    keep: Annotated[
        int, Integer(1, 10_000), Field(description="How many runs; older ones are removed by the next apply.")
    ] = DEFAULT_KEEP_RUNS


class ProjectSettings(Model):
    """What a project sets, and what an environment may set differently."""

    manifests: Annotated[
        list[Annotated[str, String()]] | None,
        Field(description="Files, folders with all below them, or globs; [manifests] when absent."),
    ] = None
    state: Annotated[
        str | None, String(), Field(description="Where the state is kept; sqlite:///.reconciler/state.db when absent.")
    ] = None
    provider: Annotated[
        ProviderEntry | None,
        Field(description="The provider `default`, for galleries that name no other."),
    ] = None
    providers: Annotated[dict[Name, ProviderEntry] | None, Field(description="Backends by name.")] = None
    region_sets: Annotated[
        dict[Name, list[Annotated[str, RegionSetMember()]]] | None,
        Field(description="Lists of REGION[=COUNT][=STORAGE] by name, written @NAME in targetRegions."),
    ] = None
    history: Annotated[History | None, Field(description="How much the state remembers of what was done.")] = None
    values: Annotated[
        dict[Name, str] | None, Field(description="Texts by name, written ${values.NAME} in any scalar.")
    ] = None

    @model_validator(mode="after")
    def _one_default(self) -> "ProjectSettings":
        if self.provider is not None and self.providers and "default" in self.providers:
            raise InvalidInput("provider and providers.default are the same thing", "keep one of the two")
        return self


class ProjectFile(ProjectSettings):
    """The project file, reconciler.yaml."""

    project: Annotated[str, String(NAME, NAME_RULE, 80), Field(description="Name of the project.")]
    environments: Annotated[
        dict[Name, ProjectSettings] | None,
        Field(description="What differs with --environment NAME; values, providers and region sets merge by name."),
    ] = None

"""The part of the Open Data Contract Standard 3.1 that our documents use; other keys are errors.

Names and meanings are the standard's (https://bitol-io.github.io/open-data-contract-standard/v3.1.0/);
Python spells them in small letters. What the standard leaves to the engine stands in
``implementation`` and ``customProperties``, which `Rule` and `Property.mapping` describe.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

LogicalType = Literal[
    "string", "date", "timestamp", "time", "number", "integer", "object", "array", "boolean"
]
Bound = float | str  # numbers; of dates and timestamps, ISO text


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class CustomProperty(_Part):
    """A key and value beyond the standard."""

    property: str
    value: Any
    description: str | None = None


class TypeOptions(_Part):
    """What values a logical type leaves; on these, ranges and patterns are checked."""

    minimum: Bound | None = None
    maximum: Bound | None = None
    exclusive_minimum: Bound | None = None
    exclusive_maximum: Bound | None = None
    pattern: str | None = None


class ValidValues(_Part):
    """Arguments of the metric ``invalidValues``."""

    valid_values: tuple[str, ...] = Field(min_length=1)


class LibraryCheck(_Part):
    """A metric of the standard's library, to be compared with a number."""

    type: Literal["library"]
    metric: Literal["invalidValues", "rowCount"]
    arguments: ValidValues | None = None
    must_be: int | None = None
    must_be_greater_than: int | None = None
    description: str | None = None

    @model_validator(mode="after")
    def _compares(self) -> Self:
        if self.metric == "invalidValues" and (self.arguments is None or self.must_be != 0):
            raise ValueError("invalidValues needs arguments.validValues and mustBe: 0")
        if self.metric == "rowCount" and self.must_be_greater_than is None:
            raise ValueError("rowCount needs mustBeGreaterThan")
        return self


class Rule(_Part):
    """How a landed line breaks the contract: a fact of a column, or a condition of its own.

    Attributes
    ----------
    violates, column
        ``required``: nothing landed; ``type``: what landed cannot be read as the logical type;
        ``range``: it lies outside the logical type's options.
    condition
        SQL over the columns and, of those that are not text, ``NAME_text``: what landed. Null
        counts as not broken.
    detail
        SQL of a sentence on what was found, which never shows a user id; of ``type`` and
        ``range`` there is one already.
    """

    violates: Literal["required", "type", "range"] | None = None
    column: str | None = None
    condition: str | None = None
    detail: str | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.violates is None) != (self.column is None):
            raise ValueError("violates needs column, and column needs violates")
        if (self.violates is None) == (self.condition is None):
            raise ValueError("needs either violates and column, or condition and detail")
        if self.detail is None and self.violates in (None, "required"):
            raise ValueError("needs detail")
        return self


class QuarantineCheck(_Part):
    """A rule of ours; a landed line that breaks it goes to quarantine under the check's name."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    type: Literal["custom"]
    engine: Literal["recsys-batch"]
    implementation: Rule
    description: str | None = None


Quality = Annotated[LibraryCheck | QuarantineCheck, Field(discriminator="type")]


class _Element(_Part):
    name: str
    description: str
    quality: tuple[Quality, ...] = ()
    custom_properties: tuple[CustomProperty, ...] = ()

    def custom(self, name: str) -> Any:
        """Value of a custom property; None where there is none."""
        return next((each.value for each in self.custom_properties if each.property == name), None)


class Property(_Element):
    """A column of a table."""

    logical_type: LogicalType
    physical_type: str = Field(description="Spark SQL type.")
    logical_type_options: TypeOptions = TypeOptions()
    required: bool = False
    unique: bool = False
    primary_key: bool = False
    primary_key_position: int = -1
    partitioned: bool = False
    partition_key_position: int = -1
    classification: str | None = None

    @property
    def mapping(self) -> str | None:
        """Custom property ``mapping``: the key of a source's mapping that gives the values.

        ``fields.NAME`` is an entry of ``fields``; None is a column that ingest makes.
        """
        given = self.custom("mapping")
        return None if given is None else str(given)

    @property
    def valid_values(self) -> tuple[str, ...]:
        """The enumeration that values belong to; empty where any will do."""
        return next(
            (
                each.arguments.valid_values
                for each in self.quality
                if isinstance(each, LibraryCheck) and each.arguments is not None
            ),
            (),
        )


class SchemaObject(_Element):
    """A table, or with the custom property ``where`` the rows of one for which that SQL holds."""

    logical_type: Literal["object"]
    physical_type: str
    physical_name: str = Field(pattern=r"^(bronze|silver|gold)/[a-z_]+$", description="LAYER/TABLE")
    data_granularity_description: str
    properties: tuple[Property, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _columns_exist(self) -> Self:
        names = [each.name for each in self.properties]
        named = [
            *(self.custom("identity") or ()),
            *(rule.implementation.column for rule in self.rules if rule.implementation.column),
        ]
        missing = sorted(set(named) - set(names))
        if len(set(names)) < len(names) or missing:
            raise ValueError(f"columns must be named once, and exist: {missing or names}")
        return self

    @property
    def rules(self) -> tuple[QuarantineCheck, ...]:
        """The quarantine checks in the order in which a line is judged."""
        return tuple(each for each in self.quality if isinstance(each, QuarantineCheck))

    def column(self, name: str) -> Property:
        """The column called `name`; raise `KeyError` where there is none."""
        return {each.name: each for each in self.properties}[name]


class Description(_Part):
    """What the data are for."""

    purpose: str
    usage: str | None = None
    limitations: str | None = None


class Contract(_Part):
    """A whole document.

    Attributes
    ----------
    version
        Of the contract itself. Major: rows that were right may now be refused, or mean something
        else; minor: a column or rule was added; patch: words only.
    objects
        The table, then parts of it of which more is asked.
    """

    api_version: Literal["v3.1.0"]
    kind: Literal["DataContract"]
    id: str
    name: str
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    status: Literal["proposed", "draft", "active", "deprecated", "retired"]
    description: Description
    objects: tuple[SchemaObject, ...] = Field(alias="schema", min_length=1)

    @property
    def table(self) -> SchemaObject:
        """The table that the contract is of."""
        return self.objects[0]

    @property
    def parts(self) -> tuple[SchemaObject, ...]:
        """Parts of the table of which more is asked."""
        return self.objects[1:]

    @property
    def fields(self) -> dict[str, Property]:
        """Mappable field (an entry of ``fields`` in a data set's YAML) to its column."""
        return {
            key.removeprefix("fields."): each
            for each in self.table.properties
            if (key := each.mapping) is not None and key.startswith("fields.")
        }

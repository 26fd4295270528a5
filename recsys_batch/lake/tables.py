"""Registry of tables: layer, schema, keys and partitioning of each, as data.

Light to import: schemas are DDL strings. The tables that files land in are those of the contracts
(`recsys_batch.odcs`). The data dictionary is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from recsys_batch.odcs.load import contract

Layer = Literal["bronze", "silver", "gold"]

ACTION = "STRUCT<item_id: STRING, event_type: STRING, at: TIMESTAMP>"
LIST_ITEM = (
    "STRUCT<item_id: STRING, score: FLOAT, source: STRING, reason: STRING, parts: ARRAY<FLOAT>, "
    "propensity: FLOAT, probability: FLOAT>"
)


@dataclass(frozen=True)
class Table:
    """What a table holds.

    Attributes
    ----------
    name, layer
        It lies at ``LAKE/DATASET/layer/name``.
    columns
        (name, Spark SQL type, meaning) of each column.
    keys
        Columns that together name a row once.
    partition_by
        Columns of the folders; never an identifier of a person.
    summary
        What a row is.
    skip_by
        Columns whose range in each file is kept, so that files are passed over; never an
        identifier of a person.
    """

    name: str
    layer: Layer
    columns: tuple[tuple[str, str, str], ...]
    keys: tuple[str, ...]
    partition_by: tuple[str, ...]
    summary: str
    skip_by: tuple[str, ...] = ()

    @property
    def ddl(self) -> str:
        """The schema as Spark DDL."""
        return ", ".join(f"{name} {kind}" for name, kind, _ in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(name for name, _, _ in self.columns)


_RUN = ("run_id", "STRING", "the run, which is also its publication")
_PART = ("part", "STRING", "full: all events of the run; train: those before the hold-out")
_BATCH = ("batch_seq", "BIGINT", "the batch that brought the row")

_RAW = (
    _BATCH,
    ("file", "STRING", "path below the landing folder"),
    ("line", "BIGINT", "1-based line of the file; of a record over several lines, its first"),
    ("record", "STRING", "the record as it landed, holding raw ids"),
)


def _contract_table(source: str) -> Table:
    """The table of a contract, and the batch of each row."""
    made = contract(source).table
    layer, name = made.physical_name.split("/")
    keys = sorted(
        (each for each in made.properties if each.primary_key),
        key=lambda each: each.primary_key_position,
    )
    folders = sorted(
        (each for each in made.properties if each.partitioned),
        key=lambda each: each.partition_key_position,
    )
    return Table(
        name,
        cast("Layer", layer),
        (*((each.name, each.physical_type, each.description) for each in made.properties), _BATCH),
        tuple(each.name for each in keys),
        tuple(each.name for each in folders),
        made.data_granularity_description,
        skip_by=(_BATCH[0],),
    )


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "raw_events",
            "bronze",
            _RAW,
            ("file", "line"),
            ("batch_seq",),
            "a landed line of an event file",
        ),
        Table(
            "raw_items",
            "bronze",
            _RAW,
            ("file", "line"),
            ("batch_seq",),
            "a landed line of a catalogue file",
        ),
        Table(
            "raw_profiles",
            "bronze",
            _RAW,
            ("file", "line"),
            ("batch_seq",),
            "a landed line of a profile file",
        ),
        Table(
            "raw_consents",
            "bronze",
            _RAW,
            ("file", "line"),
            ("batch_seq",),
            "a landed line of a file of consent given and withdrawn",
        ),
        Table(
            "quarantine",
            "bronze",
            (
                *_RAW,
                ("source", "STRING", "events, items, profiles or consents"),
                ("fate", "STRING", "quarantined; of a line replayed, also accepted or duplicate"),
                ("reason", "STRING", "code of the contract rule that the line broke"),
                ("detail", "STRING", "what was found, in words"),
            ),
            ("batch_seq", "file", "line"),
            ("batch_seq",),
            "a batch's verdict on a line that broke the contract; the latest batch's holds",
        ),
        Table(
            "batches",
            "silver",
            (
                ("batch_seq", "BIGINT", "1, 2, 3, ... in the order taken"),
                ("batch_id", "STRING", "digest of the batch's file names and contents"),
                ("source", "STRING", "events, items, profiles or consents"),
                ("kind", "STRING", "landing: new files; replay: quarantined lines of taken files"),
                ("status", "STRING", "started or complete"),
                ("taken_at", "TIMESTAMP", "when the batch was taken, UTC"),
                ("contract_version", "STRING", "version of the contract the lines were read with"),
                ("contract_digest", "STRING", "its rules and the mapping, digested"),
                ("file", "STRING", "path below the landing folder"),
                ("file_digest", "STRING", "SHA-256 of the file's bytes, as far as they were taken"),
                ("bytes", "BIGINT", "how many bytes those are"),
                ("etag", "STRING", "S3's name of the file's content; null on a disk"),
                ("columns", "ARRAY<STRING>", "columns that the file's lines were split into"),
                ("key_id", "STRING", "pseudonym key of its rows; empty while keys are changed"),
                ("landed", "BIGINT", "records in the file; of a replay, lines taken anew"),
                ("accepted", "BIGINT", "of these, records that became rows"),
                ("quarantined", "BIGINT", "of these, records that broke the contract"),
                ("duplicate", "BIGINT", "of these, records that were there already"),
                ("newest_time", "TIMESTAMP", "latest time of an accepted record, UTC"),
            ),
            ("batch_seq", "file"),
            (),
            "a file taken by a batch, with its conservation of rows",
        ),
        Table(
            "batch_days",
            "silver",
            (
                _BATCH,
                ("table", "STRING", "events, catalogue, profiles or consents"),
                ("day", "DATE", "UTC day of the rows' time; none where they have no time"),
                ("rows", "BIGINT", "rows of that day in that batch"),
                ("first", "STRING", "sum of the first hashes of those rows"),
                ("second", "STRING", "sum of their second hashes"),
                ("newest", "TIMESTAMP", "the latest time of them"),
            ),
            ("batch_seq", "table", "day"),
            (),
            "what a batch brought to a table of a day, from which digests are added up",
        ),
        Table(
            "lateness",
            "silver",
            (
                _BATCH,
                ("days_late", "BIGINT", "days before the newest event day of earlier batches"),
                ("events", "BIGINT", "accepted events so late"),
                ("share", "DOUBLE", "share of the batch's events that are so late or less"),
            ),
            ("batch_seq", "days_late"),
            ("batch_seq",),
            "how many events of a batch were how many days late",
        ),
        Table(
            "schemas",
            "silver",
            (
                ("source", "STRING", "events, items, profiles or consents"),
                ("batch_seq", "BIGINT", "the batch, or the one that a refused one would have been"),
                ("batch_id", "STRING", "digest of the batch's file names and contents"),
                ("verdict", "STRING", "accepted, or refused: nothing of the files was taken"),
                ("schema_version", "BIGINT", "`version` of the source in the data set's YAML"),
                ("contract_version", "STRING", "version of the contract"),
                ("aspect", "STRING", "column of the files, field of the contract, or value"),
                ("name", "STRING", "column or field; of a value its column"),
                (
                    "kind",
                    "STRING",
                    "text, number, ...; of a value itself, an event type that no rule takes, if it "
                    "looks like a name of one",
                ),
                ("read", "BIGINT", "values seen of that kind"),
                ("unread", "BIGINT", "values that could not be read, or that no rule takes"),
                ("change", "STRING", "what differs from the batches before; null: nothing"),
            ),
            ("source", "batch_id", "verdict", "aspect", "name", "kind"),
            (),
            "what a batch's files were like, and how that differs from before",
        ),
        _contract_table("events"),
        _contract_table("items"),
        _contract_table("profiles"),
        _contract_table("consents"),
        Table(
            "runs",
            "gold",
            (
                _RUN,
                ("as_of", "DATE", "the logical day"),
                ("horizon", "BIGINT", "last batch the run reads"),
                ("events_digest", "STRING", "order-free digest of what is read"),
                ("events", "BIGINT", "events read"),
                ("config_digest", "STRING", "settings that can change a result"),
                ("code_version", "STRING", "digest of the code"),
            ),
            ("run_id", "horizon"),
            (),
            "a run: logical day, inputs, settings and code",
        ),
        Table(
            "validations",
            "gold",
            (
                _RUN,
                (
                    "table",
                    "STRING",
                    "table that was checked; landing: batches, before their tables",
                ),
                ("expectation", "STRING", "what was expected"),
                ("column", "STRING", "column, or null for the table"),
                ("severity", "STRING", "critical or warning"),
                ("success", "BOOLEAN", "did it hold"),
                ("observed", "STRING", "what was observed, JSON"),
                ("unexpected_count", "BIGINT", "rows that broke it"),
            ),
            ("run_id", "table", "expectation", "column"),
            (),
            "an expectation's verdict",
        ),
        Table(
            "states",
            "gold",
            (
                ("state_id", "STRING", "the state"),
                ("made_with", "STRING", "digest of half-lives, epochs and code"),
                ("until", "DATE", "first day whose events it does not hold"),
                ("horizon", "BIGINT", "last batch whose events it holds"),
                ("suspects_digest", "STRING", "digest of the suspect days that it leaves out"),
                ("seq", "BIGINT", "1, 2, 3, ... in the order stored"),
            ),
            ("state_id",),
            (),
            "a state of the history, to be built upon by later runs",
        ),
        Table(
            "state_pairs",
            "gold",
            (
                ("state_id", "STRING", "the state"),
                ("user_key", "STRING", "user; null: anonymous"),
                ("item_id", "STRING", "item"),
                ("region", "STRING", "region of the events"),
                ("event_type", "STRING", "type of the events"),
                ("consent", "BOOLEAN", "did they come with consent"),
                ("events", "BIGINT", "how many they are"),
                ("first_time", "TIMESTAMP", "the first"),
                ("last_time", "TIMESTAMP", "the latest"),
                ("units", "BIGINT", "decayed sum by features.half_life_days, in fixed point"),
                ("popular_units", "BIGINT", "the same by popularity.half_life_days"),
            ),
            ("state_id", "user_key", "item_id", "region", "event_type", "consent"),
            ("state_id",),
            "what a user did to an item, summed up to a day",
        ),
        Table(
            "state_facts",
            "gold",
            (
                ("state_id", "STRING", "the state"),
                ("item_id", "STRING", "item"),
                ("field", "STRING", "title, category or price"),
                ("stated", "STRING", "the latest that an event stated"),
                ("event_time", "TIMESTAMP", "when"),
                ("event_id", "STRING", "by which event"),
            ),
            ("state_id", "item_id", "field"),
            ("state_id",),
            "what events say of an item, up to a day",
        ),
        Table(
            "freshness",
            "gold",
            (
                _RUN,
                ("source", "STRING", "events, items, profiles or consents"),
                ("newest_time", "TIMESTAMP", "latest time of a record before the day's end, UTC"),
                ("taken_at", "TIMESTAMP", "when the source's newest file was taken, UTC"),
                ("age_hours", "DOUBLE", "from the newest record to the end of the day"),
                ("state", "STRING", "fresh, warn or fail, by the data set's limits"),
            ),
            ("run_id", "source"),
            ("run_id",),
            "how fresh a source was at the end of the run's day",
        ),
        Table(
            "suspects",
            "gold",
            (
                _RUN,
                ("user_key", "STRING", "user"),
                ("event_date", "DATE", "UTC day whose events of the user train nothing"),
                ("reason", "STRING", "too_many_a_day or too_many_a_minute"),
                ("events", "BIGINT", "the user's events that day"),
                ("most", "BIGINT", "most of them within one minute"),
            ),
            ("run_id", "user_key", "event_date"),
            ("run_id",),
            "a user's day that looks like a machine's",
        ),
        Table(
            "recipes",
            "gold",
            (
                _RUN,
                ("recipe_id", "STRING", "digest of what it was chosen by: log, settings and code"),
                ("until", "DATE", "first day that was not looked at; null: nothing was"),
                ("fit_day", "DATE", "logical day whose features the model is fitted on"),
                ("recipe", "STRING", "half-lives, sources and weights, JSON"),
                ("reasons", "ARRAY<STRING>", "a sentence a choice, with its figures"),
                ("trials", "BIGINT", "models tried"),
                ("seconds", "DOUBLE", "what the search took"),
            ),
            ("run_id",),
            (),
            "the recipe of a run, as its log chose it",
        ),
        Table(
            "interactions",
            "gold",
            (
                _RUN,
                _PART,
                ("user_key", "STRING", "user"),
                ("item_id", "STRING", "item"),
                ("weight", "DOUBLE", "sum over events of type weight times decay"),
                ("events", "BIGINT", "events behind it"),
                ("event_type", "STRING", "the weightiest type among them"),
                ("last_time", "TIMESTAMP", "latest of them"),
                ("seen", "BOOLEAN", "an event of recommend.seen_types is among them"),
            ),
            ("run_id", "part", "user_key", "item_id"),
            ("run_id", "part"),
            "a user's weighted interest in an item as of the day",
        ),
        Table(
            "holdout",
            "gold",
            (
                _RUN,
                ("user_key", "STRING", "user"),
                ("item_id", "STRING", "a relevant item of the hold-out days"),
            ),
            ("run_id", "user_key", "item_id"),
            ("run_id",),
            "what the held-out days show a user wanted",
        ),
        Table(
            "users",
            "gold",
            (
                _RUN,
                _PART,
                ("user_key", "STRING", "user who may have a list"),
                ("region", "STRING", "of the latest event that names one, else of the profile"),
                ("cohort", "STRING", "cohort of the profile as of the day"),
                ("least_age", "INT", "years of age reached for certain, of a few; null: unknown"),
                ("events", "BIGINT", "events up to the day"),
                ("first_time", "TIMESTAMP", "first event"),
                ("last_time", "TIMESTAMP", "latest event"),
                ("actions", f"ARRAY<{ACTION}>", "last weighing acts, latest first, of a kind once"),
            ),
            ("run_id", "part", "user_key"),
            ("run_id", "part"),
            "a user as of the day",
        ),
        Table(
            "items",
            "gold",
            (
                _RUN,
                _PART,
                ("item_id", "STRING", "item"),
                ("title", "STRING", "latest text as of the part"),
                ("category", "STRING", "latest category as of the part"),
                ("price", "DOUBLE", "latest price as of the part"),
                ("description", "STRING", "longer text as of the part"),
                ("tags", "ARRAY<STRING>", "labels as of the part"),
                ("first_time", "TIMESTAMP", "first event or validity"),
                ("last_time", "TIMESTAMP", "latest event, null if none"),
                ("recommendable", "BOOLEAN", "false: never in a list"),
            ),
            ("run_id", "part", "item_id"),
            ("run_id", "part"),
            "an item as known when the part ends",
        ),
        Table(
            "popularity",
            "gold",
            (
                _RUN,
                _PART,
                ("segment", "STRING", "null for all, else the region"),
                ("item_id", "STRING", "item"),
                ("score", "DOUBLE", "sum of type weight times decay"),
            ),
            ("run_id", "part", "segment", "item_id"),
            ("run_id", "part"),
            "an item's decayed popularity",
        ),
        Table(
            "user_factors",
            "gold",
            (
                _RUN,
                _PART,
                ("idx", "INT", "row of the factor matrix"),
                ("user_key", "STRING", "user"),
                ("factors", "ARRAY<FLOAT>", "position in the latent space"),
            ),
            ("run_id", "part", "user_key"),
            ("run_id", "part"),
            "a user's factors",
        ),
        Table(
            "item_factors",
            "gold",
            (
                _RUN,
                _PART,
                ("idx", "INT", "row of the factor matrix"),
                ("item_id", "STRING", "item"),
                ("factors", "ARRAY<FLOAT>", "position in the latent space"),
            ),
            ("run_id", "part", "item_id"),
            ("run_id", "part"),
            "an item's factors",
        ),
        Table(
            "models",
            "gold",
            (
                _RUN,
                ("recipe", "STRING", "the parameters that make the model, JSON"),
                ("model_version", "STRING", "version in the MLflow registry"),
                ("mlflow_run", "STRING", "run in MLflow"),
            ),
            ("run_id",),
            ("run_id",),
            "a trained model",
        ),
        Table(
            "topn_user",
            "gold",
            (
                ("publication_id", "STRING", "the publication"),
                ("user_key", "STRING", "user"),
                ("region", "STRING", "the user's region"),
                ("items", f"ARRAY<{LIST_ITEM}>", "the list, best first"),
                (
                    "ranked_in",
                    "STRING",
                    "the run that ranked it: an earlier one where nothing has changed since",
                ),
            ),
            ("publication_id", "user_key"),
            ("publication_id",),
            "a user's list",
        ),
        Table(
            "list_changes",
            "gold",
            (
                _RUN,
                ("built_on", "STRING", "run whose lists of the others were taken, or null"),
                ("reason", "STRING", "why lists were made anew, or unchanged"),
                ("users", "BIGINT", "users of whom that is the first reason"),
            ),
            ("run_id", "reason"),
            (),
            "how many lists of a run were made anew, and why",
        ),
        Table(
            "topn_segment",
            "gold",
            (
                ("publication_id", "STRING", "the publication"),
                ("level", "STRING", "cohort, region or global"),
                ("segment", "STRING", "the cohort or the region, or null for all"),
                ("items", f"ARRAY<{LIST_ITEM}>", "the list, best first"),
            ),
            ("publication_id", "level", "segment"),
            ("publication_id",),
            "the list of a cohort, of a region or of all",
        ),
        Table(
            "metrics",
            "gold",
            (
                _RUN,
                ("model", "STRING", "lists, popularity, champion, or a source alone"),
                ("metric", "STRING", "such as ndcg@10"),
                ("value", "DOUBLE", "mean over users"),
                ("low", "DOUBLE", "lower end of the interval"),
                ("high", "DOUBLE", "upper end of the interval"),
                ("users", "BIGINT", "users measured"),
            ),
            ("run_id", "model", "metric"),
            ("run_id",),
            "a metric on the temporal hold-out",
        ),
        Table(
            "segments",
            "gold",
            (
                _RUN,
                ("model", "STRING", "lists or popularity"),
                (
                    "dimension",
                    "STRING",
                    "activity, region, cohort, popularity (of items) or item_age",
                ),
                ("segment", "STRING", "such as new, light, power; head, tail; <7d"),
                ("metric", "STRING", "such as ndcg@10"),
                ("value", "DOUBLE", "mean over users"),
                ("low", "DOUBLE", "lower end of the interval"),
                ("high", "DOUBLE", "upper end of the interval"),
                ("users", "BIGINT", "users measured"),
            ),
            ("run_id", "model", "dimension", "segment", "metric"),
            ("run_id",),
            "a metric on the temporal hold-out, of some users or items",
        ),
        Table(
            "decisions",
            "gold",
            (
                _RUN,
                ("passed", "BOOLEAN", "may the run be published"),
                ("reasons", "ARRAY<STRING>", "a sentence a rule, with its figures"),
            ),
            ("run_id",),
            ("run_id",),
            "the gate's decision",
        ),
        Table(
            "costs",
            "gold",
            (
                ("as_of", "DATE", "the logical day"),
                ("stage", "STRING", "the stage"),
                ("ended_at", "TIMESTAMP", "when it ended"),
                ("seconds", "DOUBLE", "by the clock"),
                ("core_seconds", "DOUBLE", "of driver, JVM and workers, and of executors"),
                ("peak_memory_bytes", "BIGINT", "the most that driver, JVM and workers held"),
                ("bytes_read", "BIGINT", "by Spark's tasks"),
                ("bytes_written", "BIGINT", "by Spark's tasks"),
                ("bytes_shuffled", "BIGINT", "by Spark's tasks"),
            ),
            ("as_of", "stage"),
            (),
            "what a stage took when it last ran for a day",
        ),
        Table(
            "publications",
            "gold",
            (
                ("publication_id", "STRING", "the publication"),
                ("as_of", "DATE", "the logical day"),
                ("manifest", "STRING", "rows, digests, model, rules and inputs, JSON"),
            ),
            ("publication_id",),
            (),
            "a sealed publication",
        ),
    )
}

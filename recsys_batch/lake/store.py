"""Reading and idempotent writing of the lake's tables with Spark, on a disk or in S3."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from recsys_batch import columns as c
from recsys_batch.errors import LakeError
from recsys_batch.lake.commit import commit, commit_files, require_owned
from recsys_batch.lake.places import (
    Place,
    has_version,
    logged_files,
    open_table,
    refuse_half_written,
    spark_path,
    storage_options,
    table_path,
    unwritable,
)
from recsys_batch.lake.s3 import S3Place, hadoop_options
from recsys_batch.lake.tables import TABLES, Table
from recsys_batch.lake.upload import upload_frame

if TYPE_CHECKING:
    import deltalake
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Lake:
    """The tables of one dataset.

    Parameters
    ----------
    spark
        The session.
    home
        Folder of the dataset, ``LAKE/DATASET``; its tables lie there, or where it says.
    """

    spark: SparkSession
    home: Path

    def path(self, name: str) -> str:
        """Where table `name` lies."""
        return str(self._place(name))

    def _place(self, name: str) -> Place:
        return table_path(self.home, name)

    def on_disk(self, name: str) -> bool:
        """Whether table `name` lies in a folder, where tasks may write files."""
        return isinstance(self._place(name), Path)

    def exists(self, name: str) -> bool:
        """Whether table `name` has a first version."""
        return has_version(self._place(name))

    def holds(self, name: str, *, after: int) -> bool:
        """Whether table `name` may hold rows of later batches than `after`, by its log alone."""
        place = self._place(name)
        return self.exists(name) and bool(live_files(place, TABLES[name], after=after))

    def read(self, name: str, *, after: int | None = None, **equal: object) -> DataFrame:
        """Rows of table `name` whose columns equal the values given; none where it is new.

        A `frozenset` stands for any of its values.

        The rows of the version that is the latest now, whenever they are computed: deltalake names
        the files and Spark reads them, where Spark's own Delta reader runs a job or three for it.

        Parameters
        ----------
        after
            Only of later batches than this; other files are not opened.

        Raises
        ------
        LakeError
            The folder exists but is not a readable Delta table.
        """
        from pyspark.sql import functions as F

        table, place = TABLES[name], self._place(name)
        if self.exists(name):
            files = live_files(place, table, after=after, **equal)
        else:
            refuse_half_written(place)
            files = []
        if not files:
            nothing = ", ".join(
                f"CAST(NULL AS {kind}) AS {each}" for each, kind, _ in table.columns
            )
            return self.spark.sql(f"SELECT {nothing} WHERE false")
        reader = self.spark.read.schema(table.ddl).option("basePath", spark_path(place))
        if isinstance(place, S3Place):
            reader = reader.options(**hadoop_options())
        frame = reader.parquet(*map(_no_pattern, files)).select(*table.names)
        if after is not None:
            frame = frame.where(F.col(c.BATCH_SEQ) > after)
        for column, value in equal.items():
            frame = frame.where(F.col(column).isin(*_any_of(value)))
        return frame

    def replace(self, name: str, frame: DataFrame, **owned: object) -> None:
        """Write `frame` in place of the rows whose columns equal the values of `owned`.

        One Delta commit: readers see all of it or none of it, and a repeat leaves the same rows.
        """
        self._write(name, frame, replacing=owned)

    def replace_all(self, frames: Mapping[str, DataFrame], **owned: object) -> Iterator[str]:
        """`replace` several tables, two at a time, and yield the name of each that is written.

        Most of a small write is planning and committing, which leaves the other core idle.
        """
        with ThreadPoolExecutor(2) as pool:
            names = {
                pool.submit(self.replace, name, frame, **owned): name
                for name, frame in frames.items()
            }
            for written in as_completed(names):
                written.result()
                yield names[written]

    def replace_written(
        self, name: str, write: Callable[[Path], Collection[str]], **owned: object
    ) -> None:
        """`replace` with files of Parquet that `write` makes below a folder and tells the names of.

        What else lies there, such as what an attempt that failed has left, is removed. Only of a
        table on a disk (`on_disk`).
        """
        place = self._place(name)
        assert isinstance(place, Path)
        self._commit(name, place, write, replacing=owned)

    def append(self, name: str, frame: DataFrame) -> None:
        """Add `frame` to the table in one commit."""
        self._write(name, frame, replacing=None)

    def delete(self, name: str, **equal: object) -> None:
        """Remove the rows whose columns equal the values given, where the table exists."""
        from deltalake.exceptions import DeltaError

        place = self._place(name)
        if self.exists(name):
            try:
                open_table(place).delete(predicate(equal))
            except (DeltaError, OSError) as error:
                raise unwritable(place, error) from error

    def version(self, name: str) -> int:
        """Delta version of the table; -1 where it is new."""
        place = self._place(name)
        if isinstance(place, S3Place):
            return open_table(place).version() if has_version(place) else -1
        log = place / "_delta_log"
        versions = [int(each.stem) for each in log.glob("*.json") if each.stem.isdigit()]
        return max(versions, default=-1)

    def _ensure(self, name: str) -> None:
        if not self.exists(name):
            from deltalake import Schema

            empty = self.spark.createDataFrame([], TABLES[name].ddl)
            create_table(self.home, name, Schema.from_json(empty.schema.json()))

    def _write(
        self, name: str, frame: DataFrame, *, replacing: Mapping[str, object] | None
    ) -> None:
        from pyspark.sql import functions as F

        table, place = TABLES[name], self._place(name)
        conformed = frame.select(
            *(F.col(column).cast(kind).alias(column) for column, kind, _ in table.columns)
        )

        if isinstance(place, S3Place):
            self._upload(name, conformed, place, replacing=replacing)
            return

        def write(folder: Path) -> None:
            conformed.write.partitionBy(*table.partition_by).parquet(str(folder))

        self._commit(name, place, write, replacing=replacing)

    def _upload(
        self,
        name: str,
        frame: DataFrame,
        place: S3Place,
        *,
        replacing: Mapping[str, object] | None,
    ) -> None:
        from deltalake.exceptions import DeltaError

        self._ensure(name)
        try:
            files = upload_frame(frame, place, TABLES[name])
            require_owned(files, replacing)
            commit(place, files, TABLES[name], replacing=replacing)
        except (DeltaError, OSError) as error:
            raise unwritable(place, error) from error

    def _commit(
        self,
        name: str,
        path: Path,
        write: Callable[[Path], Collection[str] | None],
        *,
        replacing: Mapping[str, object] | None,
    ) -> None:
        from deltalake.exceptions import DeltaError

        self._ensure(name)
        folder = f"files-{uuid.uuid4().hex}"  # where nobody else writes
        try:
            named = write(path / folder)
            commit_files(path, folder, TABLES[name], replacing=replacing, named=named)
        except (DeltaError, OSError) as error:
            raise unwritable(path, error) from error
        finally:  # what a failure leaves would fill the disk that it may have failed for
            shutil.rmtree(path / folder, ignore_errors=True)


def create_table(home: Path, name: str, schema: deltalake.Schema | pa.Schema) -> None:
    """Commit an empty first version, before any data file is written.

    So a kill in the midst of the first write leaves files that no version names, as in any other,
    and data without a log are always damage.

    Raises
    ------
    LakeError
        The table cannot be written.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    place = table_path(home, name)
    refuse_half_written(place)
    table = TABLES[name]
    skipping = (
        {"delta.dataSkippingStatsColumns": ",".join(table.skip_by)}
        if table.skip_by
        else {"delta.dataSkippingNumIndexedCols": "0"}
    )
    try:
        DeltaTable.create(
            str(place),
            schema,
            partition_by=list(table.partition_by) or None,
            configuration=skipping,
            storage_options=storage_options(place),
        )
    except (DeltaError, OSError) as error:
        raise unwritable(place, error) from error


def live_files(
    place: Place, table: Table, *, after: int | None = None, **equal: object
) -> list[str]:
    """Files of a table's latest version that may hold rows with the values given, as Spark reads.

    Parameters
    ----------
    after
        Leave out files of which the log says that they hold no later batch.
    equal
        Values of columns, or a `frozenset` of any that will do; those of partitions choose files.

    Raises
    ------
    LakeError
        The log cannot be read.
    """
    wanted = {
        f"partition.{name}": {str(each) for each in _any_of(value)}
        for name, value in equal.items()
        if name in table.partition_by
    }
    newest = f"max.{c.BATCH_SEQ}"
    return [
        f"{spark_path(place)}/{unquote(file['path'])}"
        for file in logged_files(place)
        if all(str(file[name]) in values for name, values in wanted.items())
        and (after is None or file.get(newest) is None or file[newest] > after)
    ]


def _any_of(value: object) -> frozenset[object]:
    return value if isinstance(value, frozenset) else frozenset((value,))


def _no_pattern(path: str) -> str:
    """A path in which Hadoop sees no wildcard."""
    return re.sub(r"([\\{}*?\[\]])", r"\\\1", path)


def predicate(equal: Mapping[str, object]) -> str:
    """SQL condition that columns equal values."""
    return " AND ".join(f"{column} = {_literal(value)}" for column, value in equal.items())


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


@contextlib.contextmanager
def write_lock(home: Path) -> Iterator[None]:
    """Hold the dataset's one writer lock; the system frees it when the process dies.

    Raises
    ------
    LakeError
        Another process writes, or the folder cannot be written.
    """
    odd = sorted(set(str(home)) & set("%[]^|"))
    if odd:  # deltalake makes an address of the path, which these do not survive
        raise LakeError(
            f"the lake cannot lie below a folder with {' '.join(odd)} in its name",
            where=str(home),
            fix="name another folder with --lake DIR",
        )
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = (home / ".lock").open("a+")
    except OSError as error:
        raise LakeError(
            f"the lake cannot be written ({error.strerror})",
            where=str(home),
            fix="name a folder you may write with --lake DIR",
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise LakeError(
                f"locked by process {holder}",
                where=str(home),
                fix="wait until that run ends, or stop it",
            ) from error
        with contextlib.suppress(OSError):  # on a full disk, where it is held all the same
            os.ftruncate(handle.fileno(), 0)
            os.write(handle.fileno(), str(os.getpid()).encode())
        yield

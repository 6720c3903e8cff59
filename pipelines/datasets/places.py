"""Where data sets are read from and where prepared ones are kept."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import DataError

DOWNLOAD_SECONDS = 600.0


@dataclass(frozen=True)
class Places:
    """Folders of one load.

    Attributes
    ----------
    data_dir
        Folder with files put there by hand, or None: ``keras/imdb.npz`` or ``imdb.npz``,
        ``tfds/fashion_mnist/3.0.1`` or ``fashion_mnist/3.0.1``, and a user's file named by a relative path.
    cache_dir
        Folder of prepared data sets; None for the platform's.
    download_seconds
        Time limit of a download.
    """

    data_dir: Path | None = None
    cache_dir: Path | None = None
    download_seconds: float = DOWNLOAD_SECONDS

    def __post_init__(self) -> None:
        if self.data_dir is not None and not self.data_dir.is_dir():
            raise DataError(f"The data folder {str(self.data_dir)!r} does not exist or is not a folder.")

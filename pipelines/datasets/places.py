"""Where data sets and weights are read from, and where what is made of them is kept."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import DataError

DOWNLOAD_SECONDS = 600.0


@dataclass(frozen=True)
class Places:
    """Made once by a command, and passed on whole. A ``~`` in a path is the home folder.

    Attributes
    ----------
    data_dir
        Folder with files put there by hand, or None: ``keras/imdb.npz`` or ``imdb.npz``,
        ``tfds/fashion_mnist/3.0.1`` or ``fashion_mnist/3.0.1``, ``weights``, and a user's file named by a relative
        path. Looked at before anything is downloaded.
    cache_dir
        Folder of what is prepared once; None for ``$OVERFIT_ATLAS_CACHE`` or the platform's.
    weights
        File of a backbone's weights, or folder that holds it; None: see ``networks.backbones.find_weights``.
    download_seconds
        Time limit of a download; a machine without a network learns of it in seconds.
    """

    data_dir: Path | None = None
    cache_dir: Path | None = None
    weights: Path | None = None
    download_seconds: float = DOWNLOAD_SECONDS

    def __post_init__(self) -> None:
        for name in ("data_dir", "cache_dir", "weights"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, Path(path).expanduser())
        if self.data_dir is not None and not self.data_dir.is_dir():
            raise DataError(f"The data folder {str(self.data_dir)!r} does not exist or is not a folder.")

    def within(self, folder: str, name: str) -> list[Path]:
        """Where a file or folder may lie in the data folder: in a folder of its source, or by itself."""
        return [] if self.data_dir is None else [self.data_dir / folder / name, self.data_dir / name]

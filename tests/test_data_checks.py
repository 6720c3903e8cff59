"""What is said about doubtful data, and that of sound data nothing is said; damaged files get one sentence or work."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import datasets

from pipelines.datasets import DatasetSpec, Places, load_dataset
from pipelines.datasets.user_file.checks import count_doubles
from pipelines.errors import DataError

GENERATOR = np.random.default_rng(0)
ROWS = 400
NUMBER, OTHER = GENERATOR.normal(size=ROWS), GENERATOR.normal(size=ROWS)
PRICE = 1e5 + 1e4 * NUMBER + 1e4 * GENERATOR.normal(size=ROWS)
LEFT = np.where(NUMBER + GENERATOR.normal(size=ROWS) > 0, "yes", "no")
SOUND = pd.DataFrame({"number": NUMBER, "other": OTHER, "town": GENERATOR.choice(["Ulm", "Bonn"], ROWS)})


@pytest.fixture
def load(tmp_path):
    def run(table, target, **options):
        table.to_csv(tmp_path / "a.csv", index=False)
        spec = DatasetSpec("file", "a", {"path": str(tmp_path / "a.csv"), "target": target, **options})
        return load_dataset(spec, None, Places(cache_dir=tmp_path / "cache"))

    return run


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes", "digits"])
def test_no_false_alarm(load, name):
    assert load(getattr(datasets, f"load_{name}")(as_frame=True).frame, "target").warnings == ()


@pytest.mark.parametrize(
    ("target", "leak"),
    [
        (LEFT, np.where(LEFT == "yes", 5, -5) + GENERATOR.normal(size=ROWS)),
        (LEFT, np.where(LEFT == "yes", "gone", "here")),
        (LEFT, np.where(LEFT == "yes", GENERATOR.normal(size=ROWS), np.nan)),
        (PRICE, 1.19 * PRICE + 100 * GENERATOR.normal(size=ROWS)),
        (PRICE, np.sqrt(PRICE - PRICE.min())),
        (np.where(NUMBER > 0.5, "a", np.where(NUMBER < -0.5, "b", "c")), NUMBER),
    ],
    ids=["threshold", "text", "gaps", "other currency", "root", "three classes"],
)
def test_a_column_that_tells_the_target_is_named(load, target, leak):
    [warning] = load(SOUND.drop(columns="number").assign(leak=leak, y=target), "y").warnings
    assert warning == (
        "'leak' alone predicts 'y' almost perfectly: check that it is known before 'y' is, else leave it out with the "
        "option 'exclude'."
    )


def test_an_informative_column_is_no_leak(load):
    assert load(SOUND.assign(y=LEFT), "y").warnings == ()
    assert load(SOUND.assign(y=PRICE), "y").warnings == ()
    line = pd.DataFrame({"celsius": NUMBER, "fahrenheit": 32 + 1.8 * NUMBER})
    assert load(line, "fahrenheit").warnings == (), "the only column may well tell all"


def test_several_leaks_are_one_sentence(load):
    table = SOUND.assign(**{f"leak_{place}": PRICE * place for place in range(1, 6)}, y=PRICE)
    [warning] = load(table, "y").warnings
    assert warning.startswith("Each of 'leak_1', 'leak_2', 'leak_3' and 2 more alone predicts 'y' almost perfectly")


def test_rows_that_are_there_twice_are_counted(load):
    table = SOUND.assign(y=PRICE)
    doubled = pd.concat([table, table[:40]])
    [warning] = load(doubled, "y", test_fraction=0).warnings
    assert warning.startswith("40 rows of 440 double an earlier row.")
    assert load(pd.concat([table, table[:3]]), "y", test_fraction=0).warnings == (), "three may be chance"
    assert load(doubled.assign(y=GENERATOR.normal(size=440)), "y").warnings == (), "the target is another"


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_doubles_are_those_that_numpy_finds(kind):
    for rows, columns, values in ((500, 3, 4), (500, 1, 40), (200, 30, 2), (50, 4, 1)):
        inputs = GENERATOR.integers(0, values, (rows, columns)).astype(kind)
        targets = GENERATOR.integers(0, 2, rows).astype(np.int32)
        whole = np.column_stack([inputs, targets])
        assert count_doubles(inputs, targets) == rows - len(np.unique(whole, axis=0))


def test_few_rows_many_columns_and_one_large_class(load):
    few = pd.DataFrame({"a": NUMBER[:30], "b": OTHER[:30], "y": [*"abcde"] * 6})
    assert load(few, "y").warnings == ("30 rows for 5 classes are fewer than 10 for each: expect wide intervals.",)
    wide = pd.DataFrame(GENERATOR.normal(size=(50, 60))).add_prefix("c").assign(y=PRICE[:50])
    [warning] = load(wide, "y").warnings
    assert warning.startswith("There are more inputs (60) than rows (50)")
    rare = SOUND.assign(y=["churn" if row % 20 == 0 else "stay" for row in range(ROWS)])
    [warning] = load(rare, "y", test_fraction=0).warnings
    assert warning.startswith("95.0 % of the rows are of class 'stay': always guessing it reaches that accuracy.")


# Damaged files


def german(folder):
    rows = [
        f"{number:.2f};Köln;{row % 28 + 1:02d}.01.2023;{price:.2f}".replace(".", ",").replace(",01,", ".01.")
        for row, (number, price) in enumerate(zip(NUMBER, PRICE, strict=True))
    ]
    path = folder / "german.csv"
    path.write_bytes(("größe;stadt;tag;preis\n" + "\n".join(rows) + "\n").encode("latin-1"))
    return path, "preis"


def parquet(folder):
    table = pd.DataFrame(
        {
            "rooms": pd.array([1, None, 3, 4] * 100, dtype="Int64"),
            "garden": pd.array([True, None, False, True] * 100, dtype="boolean"),
            "kind": pd.Categorical(["flat", "house", None, "hut"] * 100),
            "price": PRICE,
        }
    )
    table.to_parquet(folder / "types.parquet")
    return folder / "types.parquet", "price"


def grouped(folder):
    SOUND.assign(person=np.arange(ROWS) // 4, y=LEFT).to_csv(folder / "people.csv", index=False)
    return folder / "people.csv", "y"


def wide(folder):
    table = pd.DataFrame(GENERATOR.normal(size=(300, 200))).add_prefix("c")
    table.assign(y=PRICE[:300]).to_csv(folder / "wide.csv", index=False)
    return folder / "wide.csv", "y"


def grey(folder):
    pixels = GENERATOR.integers(0, 255, (40, 12, 12)).astype(np.uint8)
    np.savez(folder / "grey.npz", x=pixels, y=np.arange(40) % 2)
    return folder / "grey.npz", None


def flowers(folder):
    for name in ("oak", "rose"):
        (folder / "flowers" / name).mkdir(parents=True)
        for place in range(6):
            Image.fromarray(GENERATOR.integers(0, 255, (12, 12)).astype(np.uint8)).save(
                folder / "flowers" / name / f"{place}.png"
            )
    return folder / "flowers", None


FILES = {made.__name__: made for made in (german, parquet, grouped, wide, grey, flowers)}


def truncated(path):
    path = sorted(path.rglob("*.png"))[0] if path.is_dir() else path
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6)])


def renamed(path):
    if path.is_dir():
        (path / "rose").rename(path / "oak" / "rose")
    elif path.suffix == ".csv":
        lines = path.read_text("latin-1").split("\n")
        lines[0] = lines[0][:-1]
        path.write_bytes("\n".join(lines).encode("latin-1"))
    elif path.suffix == ".parquet":
        pd.read_parquet(path).rename(columns={"price": "prise"}).to_parquet(path)
    else:
        with np.load(path) as arrays:
            np.savez(path, x=arrays["x"], target=arrays["y"])


def mistyped(path):
    if path.is_dir():
        (path / "oak" / "note.png").write_text("not an image")
    elif path.suffix == ".csv":
        lines = path.read_text("latin-1").split("\n")
        first, mark, rest = next(lines[9].partition(mark) for mark in ";," if mark in lines[9])
        lines[9] = f"many{mark}{rest}" if first else lines[9]
        path.write_bytes("\n".join(lines).encode("latin-1"))
    elif path.suffix == ".parquet":
        table = pd.read_parquet(path)
        table.assign(price=table["price"].astype(str).where(table.index != 7, "many")).to_parquet(path)
    else:
        with np.load(path) as arrays:
            np.savez(path, x=arrays["x"].astype(str), y=arrays["y"])


def other_separator(path):
    if path.suffix == ".csv":
        text = path.read_text("latin-1")
        path.write_bytes(text.replace(";", "|").encode("latin-1") if ";" in text else text.replace(",", "\t").encode())


#: Damage -> file -> what is said; a file that is not named works.
DAMAGES = {
    truncated: {
        "german": r"german.csv, line \d+: the last line has \d of 4 fields; is the file cut off\?",
        "grouped": r"people.csv, line \d+: the last line has \d of 5 fields; is the file cut off\?",
        "parquet": r"types.parquet cannot be read as Parquet",
        "wide": r"wide.csv, line \d+: the last line has \d+ of 201 fields; is the file cut off\?",
        "grey": r"grey.npz cannot be read, it is damaged",
        "flowers": r"oak/0.png cannot be read as an image, it is damaged or cut off",
    },
    renamed: {
        "german": r"has no column 'preis' for the target \(did you mean 'prei'\?\)",
        "grouped": r"has no column 'y' for the target",
        "parquet": r"has no column 'price' for the target \(did you mean 'prise'\?\)",
        "wide": r"has no column 'y' for the target",
        "grey": r"has no array 'y' for the targets",
        "flowers": r"has one class only, 'oak': nothing to learn",
    },
    mistyped: {
        "german": r"german.csv, line 10, column 'größe': 'many' is no number, as most of the column are",
        "grouped": r"people.csv, line 10, column 'number': 'many' is no number, as most of the column are",
        "parquet": r"types.parquet, row 8, column 'price': 'many' is no number, as most of the column are",
        "wide": r"wide.csv, line 10, column 'c0': 'many' is no number, as most of the column are",
        "grey": r"the inputs 'x' are of type <U\d+, not numbers",
        "flowers": r"oak/note.png cannot be read as an image",
    },
    other_separator: {},
}


@pytest.mark.parametrize("damage", [None, *DAMAGES], ids=lambda damage: damage.__name__ if damage else "whole")
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_gets_one_sentence_or_works(tmp_path, name, damage):
    path, target = FILES[name](tmp_path)
    if damage:
        damage(path)
    spec = DatasetSpec("file", "a", {"path": str(path)} | ({"target": target} if target else {}))
    places = Places(cache_dir=tmp_path / "cache")
    if said := DAMAGES.get(damage, {}).get(name):
        with pytest.raises(DataError, match=said) as raised:
            load_dataset(spec, None, places)
        assert "\n" not in str(raised.value)
        assert not list(tmp_path.glob("cache/datasets/*"))
    else:
        assert load_dataset(spec, None, places).samples >= 12

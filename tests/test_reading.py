"""How a user's file is read: what is found out, what is told, and what becomes of columns."""

import gzip
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from pipelines.datasets import DatasetSpec, Places, Task, load_dataset
from pipelines.datasets.user_file.dialect import Stated, find_dialect
from pipelines.datasets.user_file.encoding import RowsError, columns_of, encode, unknown
from pipelines.datasets.user_file.source import read_new_rows
from pipelines.errors import DataError

GENERATOR = np.random.default_rng(0)
ROWS = 60
PRICES = np.round(GENERATOR.normal(280_000, 100_000, ROWS), 2)
AREAS = np.round(GENERATOR.normal(120, 40, ROWS), 1)
TOWNS = [("Köln", "Berlin", "Ulm")[row % 3] for row in range(ROWS)]


@pytest.fixture
def load(tmp_path):
    def run(content, target="price", *, name="houses.csv", encoding="utf-8", task=None, **options):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content.to_parquet(path) if name.endswith("parquet") else content.to_csv(path, index=False)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        options |= {"path": str(path)} | ({"target": target} if target else {})
        return load_dataset(DatasetSpec("file", "mine", options), task, Places(cache_dir=tmp_path / "cache"))

    return run


def german(number):
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


def semicolons(newline="\n"):
    lines = ["Fläche;Ort;verkauft;price"]
    for row in range(ROWS):
        area = str(AREAS[row]).replace(".", ",")
        lines.append(f"{area};{TOWNS[row]};{row % 28 + 1:02d}.{row % 12 + 1:02d}.2023;{german(PRICES[row])}")
    return newline.join(lines) + newline


# What is found out


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("latin-1", "Latin-1"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_german_file_is_read_in_every_encoding(load, encoding, told, newline):
    dataset = load(semicolons(newline), encoding=encoding)
    assert dataset.features[:4] == ("Fläche", "Ort=Berlin", "Ort=Köln", "Ort=Ulm")
    np.testing.assert_allclose(dataset.targets, PRICES, rtol=1e-6)
    np.testing.assert_allclose(dataset.inputs[:, 0], AREAS, rtol=1e-6)
    read = dataset.details["read"]
    assert read.startswith(f"semicolons, decimal commas, {told}, thousands signs '.' in 'price', ")
    assert read.endswith("60 rows x 4 columns: 2 numbers, 1 text, 1 date")


def test_latin_1_that_shows_late_is_noticed(load):
    lines = ["town,price", *("Ulm,1.5" for _ in range(200_000)), "Berlin,2.5", "Köln,3.5"]
    dataset = load("\n".join(lines) + "\n", encoding="latin-1", test_fraction=0)
    assert dataset.features == ("town=Berlin", "town=Köln", "town=Ulm")
    assert "Latin-1" in dataset.details["read"]


@pytest.mark.parametrize(
    ("content", "separator", "decimal", "header"),
    [
        ("a,b\n1.5,2\n2.5,3\n", ",", ".", True),
        ("a;b\n1,5;2\n2,5;3\n", ";", ",", True),
        ("1,5;2\n2,5;3\n", ";", ",", False),
        ("a|b\n1|2\n", "|", ".", True),
        ("a\tb\n1,5\t2\n", "\t", ",", True),
        ('a,b\n"1,5","x, y"\n"2,5",z\n', ",", ",", True),
        ('a,b\n"1,500","x; y"\n"2,500",z\n', ",", ".", True),
        ("a;b\n1,234;5,678\n", ";", ",", True),
        ("a;b\n1.234,5;5\n1.000;3\n", ";", ",", True),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", ",", ".", False),
        ("0,1,2\n5.1,3.5,4\n", ",", ".", True),
        ("country,2019,2020\nA,1,2\nB,3,4\n", ",", ".", True),
        ("p,x,e\n" + "e,x,p\np,x,e\n" * 4, ",", ".", False),
        ("2020-01-01,5\n2020-01-02,6\n", ",", ".", False),
        ("sep=;\na;b\n1;2\n", ";", ".", True),
        ("'a','b'\n'x','y'\n", ",", ".", True),
    ],
)
def test_separator_decimal_sign_and_header_are_found_out(tmp_path, content, separator, decimal, header):
    path = tmp_path / "a.csv"
    path.write_text(content)
    found = find_dialect(path, Stated(), ())
    assert (found.separator, found.decimal, found.header) == (separator, decimal, header)
    stated = find_dialect(path, Stated(separator=",", decimal=".", header=True), ())
    assert (stated.separator, stated.decimal, stated.header) == (",", ".", True)


def test_columns_without_a_header_are_numbered(load):
    flowers = "".join(f"{row % 7},{row % 5}.5,{'ab'[row % 2]}\n" for row in range(ROWS))
    dataset = load(flowers, "column_3")
    assert (dataset.features, dataset.samples) == (("column_1", "column_2"), ROWS)
    assert "no header (columns are named column_1 to column_3)" in dataset.details["read"]


def test_a_target_that_is_named_decides_that_there_is_a_header(load):
    assert load("5,7\n1,2.5\n2,3\n3,4\n", "7").features == ("5",)


@pytest.mark.parametrize("packed", ["gz", "zst"])
def test_compressed_text_files(load, packed):
    content = semicolons().encode("latin-1")
    made = gzip.compress(content) if packed == "gz" else pa.Codec("zstd").compress(content, asbytes=True)
    assert load(made, name=f"houses.csv.{packed}").samples == ROWS
    with pytest.raises(DataError, match=r"cut off|cannot be read"):
        load(made[: len(made) // 2], name=f"cut.csv.{packed}")


def test_feather_is_read_and_excel_where_its_package_is(load, tmp_path):
    table = pd.DataFrame({"area": AREAS, "price": PRICES})
    buffer = io.BytesIO()
    table.to_feather(buffer)
    assert load(buffer.getvalue(), name="houses.feather").details["read"].startswith("Feather, 60 rows x 2 columns")
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        content = (b"PK\x03\x04", "houses.xlsx")
        with pytest.raises(DataError, match=r"houses.xlsx .*(pip install|cannot be read as a file of Excel)"):
            load(content[0], name=content[1])


# What becomes of columns


def test_types_of_parquet(load):
    table = pd.DataFrame(
        {
            "rooms": pd.array([1, None, 3] * 20, dtype="Int64"),
            "garden": pd.array([True, None, False] * 20, dtype="boolean"),
            "kind": pd.Categorical(["flat", "house", None] * 20),
            "tax": pd.Series([__import__("decimal").Decimal(row) / 8 for row in range(ROWS)]),
            "text": [f"{row % 9},5" for row in range(ROWS)],
            "price": PRICES,
        }
    )
    dataset = load(table, name="houses.parquet")
    assert dataset.features == (
        *("rooms", "rooms missing", "garden", "garden missing", "kind=flat", "kind=house", "kind missing"),
        *("tax", "text"),
    )
    assert dataset.inputs[1].tolist() == [2, 1, 0.5, 1, 0, 1, 0, 0.125, 1.5]
    assert columns_of(dataset.encoding) == [
        *(("rooms", "number"), ("garden", "boolean"), ("kind", "text"), ("tax", "number"), ("text", "number"))
    ]


@pytest.mark.parametrize(
    "write", ["{:%Y-%m-%d}", "{:%d.%m.%Y}", "{:%d/%m/%Y}", "{:%m/%d/%Y}", "{:%Y-%m-%dT%H:%M:%S}", "{:%d.%m.%y}"]
)
def test_dates_become_numbers(load, write):
    days = pd.date_range("2023-03-06", periods=ROWS, freq="3D")
    table = pd.DataFrame({"area": AREAS, "when": [write.format(day) for day in days], "price": PRICES})
    dataset = load(table)
    assert dataset.features == ("area", "when year", "when month", "when day of week", "when days")
    assert dataset.inputs[1, 1:].tolist() == [2023, 3, 3, 3]
    np.testing.assert_array_equal(dataset.inputs[:, 4], 3 * np.arange(ROWS))
    left = load(table, dates="leave_out")
    assert left.features == ("area",)
    assert left.details["left out"] == "'when' is a date"


def test_a_missing_date_is_the_median_one(load):
    days = pd.date_range("2023-01-01", periods=ROWS - 1)
    dataset = load(pd.DataFrame({"when": [*days, pd.NaT], "price": PRICES}), name="houses.parquet")
    assert dataset.features[-1] == "when missing"
    assert dataset.inputs[-1, -2:].tolist() == [29, 1]


def test_columns_that_cannot_help_are_left_out_and_told(load):
    table = pd.DataFrame(
        {
            "id": range(1, ROWS + 1),
            "name": [f"house {row}" for row in range(ROWS)],
            "site": "north",
            "area": AREAS,
            "area again": AREAS,
            "none": np.nan,
            "price": PRICES,
        }
    )
    dataset = load(table)
    assert dataset.features == ("area",)
    assert dataset.details["left out"] == (
        "'id' counts the rows; 'name' names the rows: all its texts differ; 'site' has one value only, 'north'; "
        "'area again' is the same as 'area'; 'none' holds no values"
    )
    kept = load(table, features=["id", "site", "area", "area again"])
    assert kept.features == ("id", "site=north", "area", "area again")


def test_a_counter_is_kept_where_it_is_the_only_input(load):
    assert load(pd.DataFrame({"day": range(ROWS), "price": PRICES})).features == ("day",)


def test_groups_order_and_names_are_no_inputs(load):
    table = pd.DataFrame(
        {
            "who": [f"p{row // 4}" for row in range(ROWS)],
            "day": pd.date_range("2023-01-01", periods=ROWS)[::-1],
            "row": [f"r{row}" for row in range(ROWS)],
            "area": AREAS,
            "price": PRICES,
        }
    )
    by_person = load(table, group="who", id="row", exclude=["day"], test_fraction=0.2)
    assert by_person.features == ("area",)
    assert by_person.groups.dtype == np.int32
    assert len(by_person.groups) == by_person.samples < ROWS
    assert set(AREAS.astype(np.float32)[[row for row in range(ROWS) if row // 4 in set(by_person.groups)]]) >= set(
        by_person.inputs[:, 0]
    )
    assert "'who' is the group; 'row' is the id" in by_person.details["left out"]
    assert by_person.encoding["id"] == "row"
    in_time = load(table, order="day", exclude=["who", "row"], test_fraction=0.2)
    assert in_time.times.tolist() == sorted(in_time.times.tolist(), reverse=True)
    np.testing.assert_allclose(in_time.test_inputs[:, 0], AREAS[:12].astype(np.float32))  # the latest are written first
    assert "day year" in load(table, features=["area", "day"], order="day").features
    with pytest.raises(DataError, match="named by the option 'order', says no order"):
        load(table, order="who")
    with pytest.raises(DataError, match="no column 'whom'"):
        load(table, group="whom")


def test_a_fifth_is_the_test_share_from_200_rows_on(load):
    def of(rows, **options):
        table = pd.DataFrame({"a": GENERATOR.normal(size=rows), "price": GENERATOR.normal(size=rows)})
        return len(load(table, **options).test_targets)

    assert (of(199), of(200), of(200, test_fraction=0), of(100, test_fraction=0.1)) == (0, 40, 0, 10)


def test_what_was_read_without_a_task_is_not_read_again(load, tmp_path, monkeypatch):
    table = pd.DataFrame({"area": AREAS, "price": PRICES})
    load(table)
    monkeypatch.setattr("pipelines.datasets.user_file.source.prepare", None)
    assert load(table, task=Task.REGRESSION).details["task"] == "regression, inferred: numbers with decimals"


# New rows


def test_new_rows_become_the_same_inputs(load, tmp_path):
    dataset = load(semicolons(), encoding="latin-1")
    path = tmp_path / "new.csv"
    path.write_text(semicolons())
    rows, words, names = read_new_rows(path, dataset.encoding, {})
    assert "semicolons" in words
    assert names == []
    np.testing.assert_array_equal(encode(dataset.encoding, rows), dataset.inputs)
    path.write_text("Ort;Fläche;verkauft\nBonn;7;01.02.2023\n")
    rows, _, _ = read_new_rows(path, dataset.encoding, {})
    assert unknown(dataset.encoding, rows) == {"Ort": 1}
    assert encode(dataset.encoding, rows)[0, :5].tolist() == [7, 0, 0, 0, 2023]
    assert encode(dataset.encoding, rows)[0, 5] == 2, "day before month, as in the training file"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Ort": None}, "There is no column 'Ort'. The columns are: 'Fläche'"),
        ({"Fläche": "viel"}, "Row 1, column 'Fläche': 'viel' is not a number."),
        ({"verkauft": "2023/01/01"}, "Row 1, column 'verkauft': '2023/01/01' is not a date written like 31.05.2024."),
        ({"Fläche": np.inf}, "Row 1, column 'Fläche': inf is infinite or too large for a 32-bit number."),
    ],
)
def test_rows_that_do_not_suit_are_refused(load, change, said):
    encoding = load(semicolons()).encoding
    values = {"Fläche": 7, "Ort": "Ulm", "verkauft": "01.02.2023"} | change
    with pytest.raises(RowsError) as raised:
        encode(encoding, pd.DataFrame({name: [value] for name, value in values.items() if value is not None}))
    assert str(raised.value).startswith(said)


def test_missing_values_of_new_rows_are_filled_in_or_refused(load):
    table = pd.DataFrame({"area": AREAS, "town": TOWNS, "price": PRICES})
    gap = pd.DataFrame({"area": [None], "town": [None]})
    encoded = encode(load(table).encoding, gap)
    assert encoded[0].tolist() == [np.float32(np.median(AREAS)), 0, 0, 0]
    with pytest.raises(RowsError, match="Row 1, column 'area': the value is missing"):
        encode(load(table, missing="refuse").encoding, gap)


# Images


def images(folder, *, size=(12, 12), mode="L", classes=("oak", "rose"), count=6):
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for place in range(count):
            pixels = GENERATOR.integers(0, 100, (size[1], size[0])) + 100 * number
            Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(folder / name / f"{place}.png")


def test_a_folder_of_images_by_class(tmp_path):
    images(tmp_path / "flowers")
    spec = DatasetSpec("file", "flowers", {"path": str(tmp_path / "flowers")})
    dataset = load_dataset(spec, None, Places(cache_dir=tmp_path / "cache"))
    assert (dataset.classes, dataset.task) == (("oak", "rose"), Task.BINARY)
    assert (dataset.inputs.shape, dataset.inputs.dtype) == ((12, 12, 12, 1), np.uint8)
    assert (dataset.inputs[6:] >= 100).all()
    assert dataset.targets.tolist() == [0] * 6 + [1] * 6
    assert dataset.details["read"] == "12 images in 2 folders, 12 x 12 pixels, grey"
    pixels, _, names = read_new_rows(tmp_path / "flowers", dataset.encoding, {})
    np.testing.assert_array_equal(encode(dataset.encoding, pixels), dataset.inputs)
    assert names[0] == "oak/0.png"


def test_images_of_other_sizes_and_in_colour(tmp_path):
    images(tmp_path / "a", size=(30, 20), mode="RGB")
    spec = DatasetSpec("file", "a", {"path": str(tmp_path / "a"), "size": 16})
    assert load_dataset(spec, None, Places(cache_dir=tmp_path / "cache")).input_shape == (16, 16, 3)
    spec = DatasetSpec("file", "a", {"path": str(tmp_path / "a")})
    dataset = load_dataset(spec, None, Places(cache_dir=tmp_path / "cache"))
    assert dataset.details["read"] == "12 images in 2 folders, 64 x 64 pixels, in colour, made of 30 x 20"


def test_folders_that_cannot_be_used(tmp_path):
    def refused(path, **options):
        spec = DatasetSpec("file", "a", {"path": str(path), **options})
        with pytest.raises(DataError) as raised:
            load_dataset(spec, None, Places(cache_dir=tmp_path / "cache"))
        return str(raised.value)

    (tmp_path / "empty").mkdir()
    assert "is a folder without images; name the file in it." in refused(tmp_path / "empty")
    images(tmp_path / "flowers")
    assert "Option 'target' is for tables and arrays" in refused(tmp_path / "flowers", target="x")
    assert "no option 'separator'" in refused(tmp_path / "flowers", separator=";")
    broken = tmp_path / "flowers" / "oak" / "2.png"
    broken.write_bytes(broken.read_bytes()[:60])
    assert f"{broken} cannot be read as an image" in refused(tmp_path / "flowers")
    broken.rename(tmp_path / "flowers" / "2.png")
    assert "lies in no folder of a class" in refused(tmp_path / "flowers")


def test_a_rare_value_of_a_long_column_is_not_overlooked(load):
    flag = np.zeros(250_001, int)
    flag[3] = 1
    dataset = load(pd.DataFrame({"flag": flag, "a": np.arange(250_001) % 97}), "a", test_fraction=0)
    assert dataset.features == ("flag",)

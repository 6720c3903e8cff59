// Sorting and filtering; without a script the table is complete and in order of rank.
(function () {
  "use strict";
  document.documentElement.classList.add("js");
  var table = document.querySelector("table.sortable");
  if (!table) return;
  var body = table.tBodies[0];
  var heads = Array.from(table.tHead.rows[1].cells);

  function key(row, column) {
    var cell = row.cells[column];
    return "sort" in cell.dataset ? cell.dataset.sort : cell.textContent.trim();
  }

  function sortBy(column) {
    var head = heads[column];
    var number = head.dataset.kind === "number";
    var sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    Array.from(body.rows)
      .map(function (row) { return { row: row, key: key(row, column) }; })
      .sort(function (a, b) {
        // What has no value goes last, whichever way the column is sorted.
        if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "");
        return sign * (number ? a.key - b.key : a.key.localeCompare(b.key, undefined, { numeric: true }));
      })
      .forEach(function (entry) { body.appendChild(entry.row); });
  }

  heads.forEach(function (head, column) {
    head.tabIndex = 0;
    head.addEventListener("click", function () { sortBy(column); });
    head.addEventListener("keydown", function (event) {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      sortBy(column);
    });
  });

  var filters = document.querySelector(".filters");
  filters.hidden = false;
  filters.addEventListener("click", function (event) {
    var chosen = event.target.closest("button");
    if (!chosen) return;
    filters.querySelectorAll("button").forEach(function (button) {
      button.setAttribute("aria-pressed", String(button === chosen));
    });
    document.querySelectorAll("[data-verdict]").forEach(function (row) {
      row.hidden = chosen.dataset.filter !== "" && row.dataset.verdict !== chosen.dataset.filter;
    });
  });
})();

// Sorting and filtering; without a script every table is complete and in its own order.
(function () {
  "use strict";
  document.documentElement.classList.add("js");

  function key(row, column) {
    var cell = row.cells[column];
    return "sort" in cell.dataset ? cell.dataset.sort : cell.textContent.trim();
  }

  function sortable(table) {
    var body = table.tBodies[0];
    var heads = Array.from(table.tHead.rows[table.tHead.rows.length - 1].cells);

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
  }

  document.querySelectorAll("table.sortable").forEach(sortable);

  var filters = document.querySelector(".filters");
  if (filters) {
    var words = filters.querySelector("input");
    var verdict = "";
    filters.hidden = false;

    function show() {
      var wanted = words ? words.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
      document.querySelectorAll("[data-verdict]").forEach(function (row) {
        var name = row.querySelector(".name, th");
        var text = (name.textContent + " " + name.title).toLowerCase();
        var hidden = verdict !== "" && row.dataset.verdict !== verdict;
        row.hidden = hidden || !wanted.every(function (word) { return text.indexOf(word) >= 0; });
      });
    }

    filters.addEventListener("click", function (event) {
      var chosen = event.target.closest("button");
      if (!chosen) return;
      filters.querySelectorAll("button").forEach(function (button) {
        button.setAttribute("aria-pressed", String(button === chosen));
      });
      verdict = chosen.dataset.filter;
      show();
    });
    if (words) words.addEventListener("input", show);
  }

  // Paper shows everything.
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.from(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (details) { details.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (details) { details.open = false; });
  });
})();

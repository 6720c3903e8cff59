// Renews the page when its server has a newer one; place, filter, order and selection stay as they are.
(function () {
  "use strict";
  var KEPT = "overfit-atlas live " + location.pathname;
  var version = document.documentElement.dataset.version;
  var status = document.querySelector("p.live");

  function choices() {
    return Array.from(document.querySelectorAll("select[data-for]"));
  }

  function keep() {
    var words = document.querySelector(".filters input");
    var pressed = document.querySelector('.filters button[aria-pressed="true"]');
    var state = {
      y: window.scrollY,
      words: words ? words.value : "",
      cursor: words && document.activeElement === words ? words.selectionStart : -1,
      verdict: pressed ? pressed.dataset.filter : "",
      open: Array.from(document.querySelectorAll("details[open] > summary"), function (one) { return one.textContent; }),
      sorted: Array.from(document.querySelectorAll("table.sortable"), function (table) {
        var head = table.querySelector("th[aria-sort]");
        return head ? [head.cellIndex, head.getAttribute("aria-sort")] : null;
      }),
      // By its name, since a new configuration moves the ranks.
      chosen: choices().map(function (select) {
        var option = select.options[select.selectedIndex];
        return [select.dataset.for, option ? name(option) : "", select.selectedIndex === 0];
      }),
    };
    sessionStorage.setItem(KEPT, JSON.stringify(state));
  }

  function name(option) {
    return option.textContent.replace(/^\s*\d+\.\s*/, "").replace(/:[^:]*$/, "").trim();
  }

  function restore() {
    var state = JSON.parse(sessionStorage.getItem(KEPT) || "null");
    sessionStorage.removeItem(KEPT);
    if (!state) return;
    document.querySelectorAll("details > summary").forEach(function (one) {
      if (state.open.indexOf(one.textContent) >= 0) one.parentElement.open = true;
    });
    var words = document.querySelector(".filters input");
    if (words && state.words) {
      words.value = state.words;
      words.dispatchEvent(new Event("input"));
    }
    if (words && state.cursor >= 0) {
      words.focus({ preventScroll: true });
      words.setSelectionRange(state.cursor, state.cursor);
    }
    document.querySelectorAll(".filters button").forEach(function (button) {
      if (state.verdict && button.dataset.filter === state.verdict) button.click();
    });
    document.querySelectorAll("table.sortable").forEach(function (table, at) {
      var sorted = state.sorted[at];
      if (!sorted) return;
      var head = table.tHead.rows[table.tHead.rows.length - 1].cells[sorted[0]];
      for (var turn = 0; turn < 2 && head && head.getAttribute("aria-sort") !== sorted[1]; turn += 1) head.click();
    });
    choices().forEach(function (select) {
      var found = state.chosen.find(function (one) { return one[0] === select.dataset.for; });
      // Whoever looks at the best configuration goes on looking at the best.
      if (!found || found[2]) return;
      var option = Array.from(select.options).find(function (one) { return name(one) === found[1]; });
      if (!option) return;
      select.value = option.value;
      select.dispatchEvent(new Event("change"));
    });
    window.scrollTo(0, state.y);
  }

  function ask() {
    fetch("version", { cache: "no-store" })
      .then(function (answer) { return answer.text(); })
      .then(function (newest) {
        if (newest !== version) {
          keep();
          location.reload();
        }
      })
      .catch(function () {
        status.textContent = "This page is no longer renewed: the command that served it has ended.";
        clearInterval(asking);
      });
  }

  if ("scrollRestoration" in history) history.scrollRestoration = "manual";
  restore();
  var asking = setInterval(ask, 2000);
})();

// Draws each figure when it is first seen, in the page's colours, and again where these or the width change.
(function () {
  "use strict";
  var narrow = window.matchMedia("(max-width: 760px)");
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var paper = JSON.parse(document.getElementById("chart-paper").textContent);
  var printed = 680; // pixels across a sheet of paper
  var printing = false;

  function colours() {
    var style = getComputedStyle(document.documentElement);
    var found = {};
    Object.keys(paper).forEach(function (role) {
      found[role] = (!printing && style.getPropertyValue("--" + role).trim()) || paper[role];
    });
    return found;
  }

  function colour(token, palette) {
    var parts = /^@([a-z-]+)(?:\/([0-9.]+))?$/.exec(token);
    if (!parts) return token;
    var hex = palette[parts[1]];
    if (!parts[2]) return hex;
    var channels = [1, 3, 5].map(function (at) { return parseInt(hex.slice(at, at + 2), 16); });
    return "rgba(" + channels.join(",") + "," + parts[2] + ")";
  }

  // A copy with its colours known; only what stands under a name with "color" in it is a colour.
  function filled(content, palette, within) {
    if (typeof content === "string") return within ? colour(content, palette) : content;
    if (content === null || typeof content !== "object") return content;
    if (Array.isArray(content)) {
      if (!within && (content[0] === null || typeof content[0] !== "object")) return content;
      return content.map(function (item) { return filled(item, palette, within); });
    }
    var made = {};
    Object.keys(content).forEach(function (key) {
      if (content[key] === null) return;
      made[key] = filled(content[key], palette, within || key.indexOf("color") >= 0);
    });
    return made;
  }

  function Chart(script) {
    this.area = document.getElementById(script.dataset.chart);
    this.script = script;
    this.view = 0;
    this.drawn = false;
  }

  Chart.prototype.content = function () {
    if (!this.data) this.data = JSON.parse(this.script.textContent);
    var data = this.data;
    var view = this.view ? data.views[this.view - 1] : { traces: [], layout: {} };
    var palette = colours();
    var layout = filled(Object.assign({}, data.layout, view.layout), palette, false);
    layout.uirevision = String(this.view);
    layout.autosize = !printing;
    var height = data.height;
    if (printing) layout.width = printed;
    if (narrow.matches || printing) {
      layout.font.size = 11.5;
      Object.keys(layout).forEach(function (key) {
        if (/^[xy]axis/.test(key) && layout[key].nticks) layout[key].nticks = 5;
      });
      layout.margin.l = layout.margin.r = 6;
    }
    if (narrow.matches && layout.showlegend) {
      layout.legend = Object.assign(layout.legend, { yref: "container", y: 0, yanchor: "bottom" });
      layout.legend.font.size = 11.5;
      height += 60;
    }
    this.area.style.height = height + "px";
    layout.height = height;
    var traces = data.traces.map(function (trace, index) {
      return filled(Object.assign({}, trace, view.traces[index]), palette, false);
    });
    return { traces: traces, layout: layout };
  };

  Chart.prototype.draw = function () {
    var content = this.content();
    var first = !this.drawn;
    this.drawn = true;
    Plotly.react(this.area, content.traces, content.layout, {
      responsive: true,
      displaylogo: false,
      displayModeBar: narrow.matches ? false : "hover",
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
      doubleClick: "reset",
      typesetMath: false,
      showTips: false
    });
    if (first && this.data.emphasis) this.emphasise();
  };

  // The line under the pointer is drawn strongly, until the pointer is elsewhere.
  Chart.prototype.emphasise = function () {
    var area = this.area;
    var before = null;
    function back() {
      if (before === null) return;
      Plotly.restyle(area, { "line.width": before.width, opacity: before.opacity }, [before.index]);
      before = null;
    }
    area.on("plotly_hover", function (event) {
      var index = event.points[0].curveNumber;
      var trace = area.data[index];
      if (trace.mode !== "lines" || (before && before.index === index)) return;
      back();
      before = { index: index, width: trace.line.width, opacity: trace.opacity === undefined ? 1 : trace.opacity };
      Plotly.restyle(area, { "line.width": 4, opacity: 1 }, [index]);
    });
    area.on("plotly_unhover", back);
  };

  var charts = Array.from(document.querySelectorAll("script[data-chart]")).map(function (script) {
    return new Chart(script);
  });

  function again() {
    charts.forEach(function (chart) { if (chart.drawn) chart.draw(); });
  }

  var seen = new IntersectionObserver(function (entries) {
    entries.forEach(function (entry) {
      if (!entry.isIntersecting) return;
      seen.unobserve(entry.target);
      var chart = charts.find(function (one) { return one.area === entry.target; });
      if (!chart.drawn) chart.draw();
    });
  }, { rootMargin: "300px" });
  charts.forEach(function (chart) { seen.observe(chart.area); });

  document.querySelectorAll("select[data-for]").forEach(function (select) {
    select.addEventListener("change", function () {
      var chart = charts.find(function (one) { return one.area.id === select.dataset.for; });
      chart.view = Number(select.value);
      chart.draw();
    });
  });

  // A configuration's name leads to its curves.
  document.querySelectorAll("a[data-view]").forEach(function (link) {
    link.addEventListener("click", function () {
      var select = document.querySelector('select[data-for="chart-learning-curves"]');
      if (!select) return;
      select.value = link.dataset.view;
      select.dispatchEvent(new Event("change"));
    });
  });

  narrow.addEventListener("change", again);
  dark.addEventListener("change", again);
  window.addEventListener("beforeprint", function () {
    printing = true;
    charts.forEach(function (chart) { chart.draw(); });
  });
  window.addEventListener("afterprint", function () {
    printing = false;
    charts.forEach(function (chart) { chart.draw(); });
  });
})();

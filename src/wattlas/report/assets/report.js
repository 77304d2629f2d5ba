"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tip = document.getElementById("tip");
  const json = (id) => JSON.parse(document.getElementById(id).textContent);
  // The data live once, in the address of the link that downloads them.
  const csv = (name) => {
    const href = document.getElementById(`csv-${name}`).getAttribute("href");
    return decodeURIComponent(href.slice(href.indexOf(",") + 1));
  };

  // A tooltip built from text nodes only: names in the data are never read as markup.
  const showTip = (handler, event, item, value) => {
    if (value === null || value === undefined || typeof value !== "object") {
      tip.style.display = "none";
      return;
    }
    tip.replaceChildren(...Object.entries(value).map(([key, entry]) => {
      const line = document.createElement("div");
      line.textContent = `${key}: ${entry}`;
      return line;
    }));
    tip.style.display = "block";
    const left = Math.min(event.pageX + 14, document.documentElement.scrollWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${event.pageY + 14}px`;
  };

  const views = new Map();
  const draw = async (box, isDark) => {
    const name = box.dataset.figure;
    const specs = json(`spec-${name}`);
    const spec = isDark ? specs.dark : specs.light;
    const table = spec.data.find((entry) => entry.name === "table");
    table.values = csv(name);
    table.format = { type: "csv", parse: specs.parse };
    views.get(name)?.finalize();
    const binds = document.getElementById(`binds-${name}`);
    binds.replaceChildren();
    const { view } = await vegaEmbed(box, spec, {
      mode: "vega", renderer: "svg", actions: false, defaultStyle: false, bind: binds, tooltip: showTip, logLevel: 2,
    });
    const svg = box.querySelector("svg");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-labelledby", `title-${name} says-${name}`);
    views.set(name, view);
  };

  const drawAll = async () => {
    for (const box of document.querySelectorAll(".chart")) await draw(box, dark.matches);
    document.documentElement.dataset.ready = "yes";
  };

  // CSV as RFC 4180 has it, quoted fields included; the first row names the columns.
  const rowsOf = (name) => {
    const rows = [[]];
    let field = "", quoted = false, before = "";
    for (const c of csv(name)) {
      if (c === '"') { quoted = !quoted; if (quoted && before === '"') field += c; }
      else if (quoted || (c !== "," && c !== "\n")) field += c;
      else { rows.at(-1).push(field); field = ""; if (c === "\n") rows.push([]); }
      before = c;
    }
    return rows.filter((row) => row.length);
  };
  document.querySelectorAll("details[data-table]").forEach((details) => {
    const fill = () => {
      const box = details.querySelector(".scroll");
      if (!details.open || box.firstChild) return;
      const rows = rowsOf(details.dataset.table);
      const table = document.createElement("table");
      const head = table.createTHead().insertRow();
      for (const column of rows[0]) {
        const cell = document.createElement("th");
        cell.scope = "col";
        cell.textContent = column;
        head.append(cell);
      }
      const body = table.createTBody();
      for (const row of rows.slice(1, 101)) {
        const line = body.insertRow();
        for (const cell of row) line.insertCell().textContent = cell;
      }
      box.append(table);
    };
    details.addEventListener("toggle", fill);
    fill();
  });

  drawAll();
  dark.addEventListener("change", drawAll);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) { width = innerWidth; views.forEach((view) => view.resize().runAsync()); }
  });
})();

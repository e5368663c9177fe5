// Long tables can be searched. What scrolls sideways can be reached by the keyboard.
(() => {
  for (const [i, table] of document.querySelectorAll("table.filtered").entries()) {
    const rows = [...table.querySelectorAll("tbody tr")];
    const find = document.createElement("div");
    find.className = "find";
    find.innerHTML = `<label for="find-${i}">Find in this table</label><input type="search" id="find-${i}"><span role="status"></span>`;
    const [, input, status] = find.children;
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      status.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
    (table.closest(".pst-scrollable-table-container") || table).before(find);
  }
  const reach = () => {
    for (const box of document.querySelectorAll("pre, .math-block, .long, .pst-scrollable-table-container")) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  addEventListener("load", reach);
  addEventListener("resize", reach);
})();

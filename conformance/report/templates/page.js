(() => {
  "use strict";
  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const entries = [...document.querySelectorAll("[data-find]")].map(
    (element) => [element, element.dataset.find.toLowerCase()]);
  const groups = [...document.querySelectorAll(".group")];
  const apply = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [element, text] of entries) {
      element.hidden = !words.every((word) => text.includes(word));
      shown += !element.hidden && element.matches("article, details");
    }
    for (const group of groups) {
      group.hidden = words.length > 0 && !group.querySelector("[data-find]:not([hidden])");
    }
    found.value = words.length ? `${shown} cases` : "";
  };
  const show = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    if (target.hidden) { find.value = ""; apply(); }
    if (target.matches(".ok")) document.getElementById("only").checked = false;
    if (target.matches("details")) target.open = true;
    target.scrollIntoView();
  };
  find.closest("label").hidden = false;
  find.addEventListener("input", apply);
  find.form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && document.activeElement !== find) {
      event.preventDefault();
      find.focus();
    } else if (event.key === "Escape" && document.activeElement === find) {
      find.value = "";
      apply();
    }
  });
  addEventListener("hashchange", show);
  addEventListener("beforeprint", () => {
    for (const each of document.querySelectorAll("article details")) each.open = true;
  });
  show();
})();

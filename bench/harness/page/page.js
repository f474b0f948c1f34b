// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
"use strict";
(function () {
  // Each cell says in data-sort what it is worth; one that says nothing stays below, whichever the order.
  if (window.jQuery && jQuery.fn.tablesorter) {
    jQuery("table.sortable").tablesorter({ textAttribute: "data-sort", emptyTo: "bottom", sortStable: true });
  }

  function filterFor(table) {
    var input = document.createElement("input");
    input.type = "search";
    input.className = "filter";
    input.placeholder = "Show only rows with ...";
    input.setAttribute("aria-label", "Show only rows of the table that contain these words");
    input.addEventListener("input", function () {
      var words = input.value.toLowerCase().split(/\s+/);
      Array.prototype.forEach.call(table.tBodies[0].rows, function (row) {
        var text = row.textContent.toLowerCase();
        row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
      });
    });
    table.parentNode.parentNode.insertBefore(input, table.parentNode);
  }
  Array.prototype.forEach.call(document.querySelectorAll("table.long"), filterFor);

  // Paper cannot be clicked, and an anchor inside a closed part would lead nowhere.
  function openAll() {
    Array.prototype.forEach.call(document.querySelectorAll("details"), function (part) { part.open = true; });
  }
  function openAnchor() {
    var name = decodeURIComponent(location.hash.slice(1));
    var target = name && document.getElementById(name);
    var part = target && target.closest("details");
    if (part && !part.open) {
      part.open = true;
      target.scrollIntoView();
    }
  }
  window.addEventListener("beforeprint", openAll);
  window.addEventListener("hashchange", openAnchor);
  openAnchor();
})();

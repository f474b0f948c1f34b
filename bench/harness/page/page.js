// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
"use strict";
// Each cell says in data-sort what it is worth; one that says nothing stays below, whichever the order.
if (window.jQuery && jQuery.fn.tablesorter) {
  jQuery("table.sortable").tablesorter({ textAttribute: "data-sort", emptyTo: "bottom", sortStable: true });
}
// Paper cannot be clicked.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));

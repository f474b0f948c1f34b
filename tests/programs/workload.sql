-- SPDX-License-Identifier: MIT
-- SPDX-FileCopyrightText: 2026 The cairn authors
-- A million rows, indices, joins, full-text-like scans, deletes and a vacuum.
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -40000;
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, body TEXT, weight REAL);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
INSERT INTO item SELECT i, (i * 7919) % 1009, 'name' || ((i * 104729) % 50021), substr(hex(i * 1000003), 1, i % 12), i / 7.0 FROM n;
CREATE INDEX by_kind ON item (kind);
CREATE INDEX by_name ON item (name) WHERE id % 5 = 0;
SELECT count(*), sum(kind), round(sum(weight)), sum(length(body)) FROM item;
SELECT kind, count(*), min(name), max(body) FROM item GROUP BY kind ORDER BY kind LIMIT 12;
SELECT a.id, b.id FROM item a JOIN item b ON a.name = b.name AND a.id < b.id AND b.id % 5 = 0 WHERE a.kind = 5 ORDER BY 1, 2 LIMIT 12;
CREATE TABLE word AS SELECT DISTINCT name FROM item WHERE id % 3 = 0;
SELECT count(*), min(name), max(name) FROM word;
SELECT name, group_concat(id) FROM (SELECT name, id FROM item WHERE kind < 3 ORDER BY id) GROUP BY name ORDER BY count(*) DESC, name LIMIT 5;
UPDATE item SET body = body || name WHERE kind % 5 = 0;
DELETE FROM item WHERE kind % 3 = 0;
SELECT count(*), sum(length(body)) FROM item;
SELECT count(*) FROM item WHERE body LIKE '%name1%';
VACUUM;
PRAGMA integrity_check;
SELECT sum(id), (SELECT count(*) FROM item WHERE name GLOB 'name4*') FROM item;

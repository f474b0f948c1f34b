-- SPDX-License-Identifier: MIT
-- SPDX-FileCopyrightText: 2026 The cairn authors
--
-- A database in memory: rows, indexes, joins, text, and rows that go again. The table `amount` says how many.
pragma temp_store = memory;

create table customer(id integer primary key, name text unique, town text);
create table purchase(id integer primary key, customer_id integer, day integer, cents integer, note text);

begin;
insert into customer
    with recursive n(i) as (select 1 union all select i + 1 from n where i < (select rows / 20 from amount))
    select i, printf('customer %06d', i * 7919 % 1000003), printf('town %d', i * 31 % 97) from n;
insert into purchase
    with recursive n(i) as (select 1 union all select i + 1 from n where i < (select rows from amount))
    select i, i * 7919 % (select rows / 20 from amount) + 1, i * 31 % 365, i * 104729 % 100000,
           substr('a note of some length that differs from row to row', 1, i % 47) || i
    from n;
commit;

create index purchase_customer on purchase(customer_id);
create index purchase_note on purchase(note);

delete from purchase where id % 3 = 0;
update purchase set note = note || ' (changed)' where id % 4 = 1;

select count(*), sum(cents), min(note), max(note) from purchase;

select town, count(distinct customer_id), sum(cents), max(length(note))
from purchase join customer on customer.id = customer_id
group by town order by sum(cents) desc limit 3;

select sum(length(notes)) from (
    select group_concat(note, ';') as notes from (select * from purchase order by note) group by day);

with ranked as (select customer_id, cents, rank() over (partition by customer_id order by cents desc, id) as place from purchase)
select place, sum(cents) from ranked where place <= 3 group by place;

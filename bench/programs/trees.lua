-- SPDX-License-Identifier: MIT
-- SPDX-FileCopyrightText: 2026 The cairn authors
--
-- trees.lua ROUNDS: tables, closures and strings under a garbage collector. A search tree of strings grows and loses
-- branches; beside it short-lived lists. Prints one line that depends on every step.

local state = 20260

local function chance(below)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % below
end

local function insert(tree, key, value)
    while true do
        if key == tree.key then
            tree.value = value
            return
        end
        local side = key < tree.key and "left" or "right"
        if not tree[side] then
            tree[side] = { key = key, value = value }
            return
        end
        tree = tree[side]
    end
end

local function cut(tree, depth)
    while tree and depth > 0 do
        local side = chance(2) == 0 and "left" or "right"
        if depth == 1 then tree[side] = nil end
        tree = tree[side]
        depth = depth - 1
    end
end

local function walk(tree, visit)
    if tree.left then walk(tree.left, visit) end
    visit(tree.key, tree.value)
    if tree.right then walk(tree.right, visit) end
end

local function short_lived(count)
    local parts = {}
    for i = 1, count do
        local note = "part " .. i * count
        parts[#parts + 1] = function() return #note end
    end
    local sum = 0
    for _, part in ipairs(parts) do sum = sum + part() end
    return sum
end

local tree = { key = "key 5000", value = "" }
local sum = 0
for round = 1, tonumber(arg[1]) do
    for _ = 1, 3000 do
        local number = chance(10000)
        insert(tree, "key " .. number, string.rep("v", number % 90) .. round)
    end
    for _ = 1, 10 do cut(tree, 6 + chance(4)) end
    sum = sum + short_lived(2000)
end

local keys, values = 0, {}
walk(tree, function(_, value)
    keys = keys + 1
    values[keys] = value
end)
local text = table.concat(values, ",")
for digit in text:gmatch("%d") do sum = (sum * 31 + digit) % 1000000007 end
print(string.format("keys %d, text %d, check %d", keys, #text, sum))
